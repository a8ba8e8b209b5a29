"""Intervals of metric rows: which kind when, by document, the same every time, and honest where there is none."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from vhb_evaluator import intervals
from vhb_evaluator.aggregation import aggregate
from vhb_shared.testing.scores import score_table

DOCUMENTS = "abcdefghijklm"


def _rows(scores: pl.DataFrame, level: str = "general") -> list[dict[str, object]]:
    return aggregate(scores, "r", "m", "t").filter(level=level).rows(named=True)


def _bounds(scores: pl.DataFrame) -> tuple[float | None, float | None]:
    (row,) = _rows(scores)
    return row["ci_low"], row["ci_high"]


@pytest.mark.parametrize(("right", "wrong"), [(0, 1), (1, 0), (12, 0), (7, 5), (70, 30)])
def test_right_or_wrong_answers_have_wilson_s_interval(right, wrong):
    expected = stats.binomtest(right, right + wrong).proportion_ci(method="wilson")
    low, high = _bounds(score_table([1.0] * right + [0.0] * wrong))
    assert (low, high) == (pytest.approx(expected.low, rel=1e-5), pytest.approx(expected.high, rel=1e-5))


def test_many_documents_have_the_t_interval_of_their_mean():
    values = np.random.default_rng(0).random(3000)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert _bounds(score_table(values.tolist(), "anls")) == pytest.approx(tuple(expected), rel=1e-5)


def test_the_bootstrap_is_near_the_t_interval_where_both_hold():
    values = np.random.default_rng(1).random(400)
    low, high = _bounds(score_table(values.tolist(), "anls"))
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    width = expected.high - expected.low
    assert (low, high) == (
        pytest.approx(expected.low, abs=0.08 * width),
        pytest.approx(expected.high, abs=0.08 * width),
    )
    assert (low, high) != pytest.approx(tuple(expected), rel=1e-5)


def test_questions_of_one_document_count_as_one_observation():
    values = np.repeat(np.random.default_rng(2).random(50), 20)
    documents = [str(row // 20) for row in range(1000)]
    alone = _bounds(score_table(values.tolist(), "anls"))
    together = _bounds(score_table(values.tolist(), "anls", document=documents))
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])
    right = _bounds(score_table([1.0] * 40, document=[str(row // 10) for row in range(40)]))
    assert right == pytest.approx(tuple(stats.binomtest(4, 4).proportion_ci(method="wilson")), rel=1e-5)


def test_nothing_is_promised_where_the_data_do_not_say():
    assert _bounds(score_table([0.4], "anls")) == (None, None)
    assert _bounds(score_table([0.4] * 30, "anls")) == (None, None)
    assert _bounds(score_table([0.1, 0.4, 0.9], "anls", document=["x"] * 3)) == (None, None)
    assert _bounds(score_table([None, None])) == (None, None)
    assert _bounds(score_table([0.0] * 30, "cer", denominator=[7.0] * 30)) == (None, None)
    assert all(row["ci_low"] is None for row in _rows(score_table([0.1, 0.5]), "by_id"))


def test_pooled_values_use_the_ratio_of_sums():
    random = np.random.default_rng(3)
    lengths = random.integers(10, 500, 200).astype(float)
    rates = np.where(lengths < 100, 0.3, 0.05) * random.random(200)
    low, high = _bounds(score_table(rates.tolist(), "cer", denominator=lengths.tolist()))
    pooled = (rates * lengths).sum() / lengths.sum()
    assert low < pooled < high < rates.mean()


def test_bounds_stay_within_what_the_values_can_be():
    low, high = _bounds(score_table([0.0, 0.0, 0.9], "anls"))
    assert (low, high) == (0.0, 1.0)
    above = _bounds(score_table([0.0, 0.1, 3.0], "cer"))
    assert above[0] == 0.0 and above[1] > 3
    assert _bounds(score_table([-0.5, 0.1, 0.2], "wer"))[0] < -0.5


def test_the_same_bytes_in_any_order_and_in_any_number_of_parts(monkeypatch):
    random = np.random.default_rng(4)
    rows = 3000
    scores = pl.concat(
        score_table(
            random.random(rows).tolist(),
            metric,
            document=[f"d{row % 1300}" for row in range(rows)],
            doc_class=[f"c{row % 7}" for row in range(rows)],
            question_type=[f"q{row % 100}" for row in range(rows)],
        )
        for metric in ("anls", "cer")
    )
    first = aggregate(scores, "r", "m", "t")
    assert first.filter(pl.col("level") != "by_id")["ci_low"].null_count() == 0
    monkeypatch.setattr(intervals, "_PART_ROWS", 500)
    shuffled = pl.concat(part.sample(fraction=1, shuffle=True, seed=5) for part in scores.partition_by("metric"))
    again = aggregate(shuffled, "r", "m", "t")
    keys = ["metric", "level", "group"]
    assert first.sort(keys).write_csv() == again.sort(keys).write_csv()


def test_thousands_of_groups_are_bounded_in_time(monkeypatch):
    monkeypatch.setattr(intervals, "_MOST_RESAMPLED", 500)
    random = np.random.default_rng(6)
    scores = score_table(random.random(4000).tolist(), "anls", doc_class=[str(row % 40) for row in range(4000)])
    for row in _rows(scores, "by_doc_type"):
        values = scores.filter(doc_class=row["group"])["value"].to_numpy()
        expected = stats.ttest_1samp(values, 0).confidence_interval()
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(expected), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 2, allow_subnormal=False), st.integers(1, 900), st.sampled_from(DOCUMENTS)),
        min_size=1,
        max_size=60,
    )
)  # fmt: skip
def test_an_interval_contains_its_value(rows):
    scores = score_table(
        [row[0] for row in rows], "cer", denominator=[float(row[1]) for row in rows], document=[row[2] for row in rows]
    )
    for row in aggregate(scores, "r", "m", "t").rows(named=True):
        assert (row["ci_low"] is None) == (row["ci_high"] is None)
        if row["ci_low"] is not None:
            assert row["ci_low"] <= row["value"] <= row["ci_high"]
            assert row["n_scored"] > 0


@pytest.mark.parametrize("samples", [60, 600])
def test_the_interval_of_macro_f1_is_as_wide_as_macro_f1_varies(samples):
    random = np.random.default_rng(7)
    classes = np.array(["invoice", "letter", "form"])

    def data_set():
        truth = random.choice(3, samples, p=[0.5, 0.3, 0.2])
        said = np.where(random.random(samples) < 0.7, truth, random.integers(0, 3, samples))
        return truth, said

    spread = np.std([f1_score(*data_set(), average="macro") for _ in range(400)])
    widths = []
    for _ in range(3):
        truth, said = data_set()
        details = [
            f'{{"expected":"{a}","predicted":"{b}"}}' for a, b in zip(classes[truth], classes[said], strict=True)
        ]
        scores = score_table((truth == said).astype(float).tolist(), "f1_macro", detail=details)
        (row,) = _rows(scores)
        assert row["value"] == pytest.approx(f1_score(truth, said, average="macro"))
        assert row["ci_low"] < row["value"] < row["ci_high"]
        widths.append(row["ci_high"] - row["ci_low"])
    assert np.mean(widths) / (2 * 1.96) == pytest.approx(spread, rel=0.2)
    assert _rows(scores) == _rows(scores.sample(fraction=1, shuffle=True, seed=1))
