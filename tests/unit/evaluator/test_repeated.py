"""Samples asked several times: pass@k, the spread between epochs, circular evaluation."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from vhb_evaluator import repeated
from vhb_evaluator.aggregation import aggregate
from vhb_evaluator.metrics.registry import higher_is_better
from vhb_shared.testing.scores import score_table


def _asked(
    answers: list[list[float | None]], metric: str = "exact_match", suffix: str = "e", **columns
) -> pl.DataFrame:
    """Scores of samples, each asked several times; ids as the epochs or rotations of a run have them."""
    values, ids, samples, documents = [], [], [], []
    for sample, repeats in enumerate(answers):
        for number, value in enumerate(repeats):
            values.append(value)
            end = "" if number == 0 else f"~e{number + 1}" if suffix == "e" else f"~r{number}"
            ids.append(f"{sample}{end}")
            samples.append(str(sample))
            documents.append(str(sample // columns.get("samples_of_a_document", 1)))
    return score_table(values, metric, id=ids, sample=samples, document=documents)


def _general(table: pl.DataFrame) -> dict[str, dict[str, object]]:
    return {row["metric"]: row for row in table.filter(level="general").iter_rows(named=True)}


def test_pass_at_k_is_the_unbiased_estimate():
    right = [0, 1, 2, 5, 8]
    answers = [[1.0] * count + [0.0] * (8 - count) for count in right]
    rows = _general(aggregate(_asked(answers), "r", "m", "t"))
    for k in (1, 2, 4, 8):
        expected = np.mean([1 - math.comb(8 - count, k) / math.comb(8, k) for count in right])
        row = rows[f"exact_match[pass@{k}]"]
        assert row["value"] == pytest.approx(expected, abs=1e-12)
        assert (row["n"], row["n_scored"], row["n_failed"]) == (5, 5, 0)
        assert row["ci_low"] <= row["value"] <= row["ci_high"]
    assert rows["exact_match"]["n"] == 40
    assert rows["exact_match[pass@1]"]["value"] == pytest.approx(rows["exact_match"]["value"])
    assert set(rows) == {"exact_match", *(f"exact_match[pass@{k}]" for k in (1, 2, 4, 8)), "exact_match[epoch_sd]"}
    assert "exact_match[pass@3]" in _general(aggregate(_asked([[1.0, 0.0, 0.0]] * 3), "r", "m", "t"))


def test_the_spread_between_epochs_is_that_of_the_group_s_values():
    random = np.random.default_rng(0)
    answers = random.random((30, 5))
    table = aggregate(_asked(answers.tolist(), "anls"), "r", "m", "t")
    row = _general(table)["anls[epoch_sd]"]
    assert row["value"] == pytest.approx(answers.mean(axis=0).std(ddof=1))
    assert (row["n"], row["n_scored"], row["ci_low"]) == (30, 30, None)
    assert [name for name in _general(table) if "pass@" in name] == []
    assert not higher_is_better("anls[epoch_sd]") and higher_is_better("cer[pass@2 at 0.1]")


def test_epochs_of_one_sample_are_one_observation():
    values = np.random.default_rng(1).random(40)
    row = _general(aggregate(_asked([[value] * 8 for value in values], "anls"), "r", "m", "t"))["anls"]
    alone = _general(aggregate(score_table(values.tolist(), "anls"), "r", "m", "t"))["anls"]
    assert row["ci_high"] - row["ci_low"] == pytest.approx(alone["ci_high"] - alone["ci_low"], rel=1e-4)


@pytest.mark.parametrize(("metric", "threshold", "expected"), [("anls", 0.8, 0.75), ("cer", 0.1, 0.25)])
def test_a_threshold_says_what_is_right(metric, threshold, expected):
    answers = [[0.9, 0.2], [0.8, 1.0], [0.0, 0.79], [0.5, 0.95]]
    rows = _general(aggregate(_asked(answers, metric), "r", "m", "t", thresholds={metric: threshold}))
    assert rows[f"{metric}[pass@2 at {threshold}]"]["value"] == expected


def test_a_failed_answer_is_not_a_wrong_one():
    rows = _general(aggregate(_asked([[1.0, 0.0, None, None], [0.0, None, None, None], [1.0] * 4]), "r", "m", "t"))
    two = rows["exact_match[pass@2]"]
    assert (two["value"], two["n_scored"], two["n_failed"]) == (1.0, 2, 1)
    # The second sample: 4 wrong ones, or 3 right ones of 4.
    assert (two["value_if_failed_worst"], two["value_if_failed_best"]) == (pytest.approx(2 / 3), 1.0)


def test_circular_means_right_in_every_rotation():
    answers: list[list[float | None]] = [
        [1.0] * 4,
        [1.0, 1.0, 0.0, 1.0],
        [1.0, None, 1.0, 1.0],
        [0.0, None, None, None],
    ]
    scores = _asked(answers, "exact_match", "r")
    table = aggregate(scores, "r", "m", "t")
    rows = _general(table)
    row = rows["exact_match[circular]"]
    # One wrong rotation decides, even where others failed; without one, a failed rotation leaves it open.
    assert (row["value"], row["n"], row["n_scored"], row["n_failed"]) == (pytest.approx(1 / 3), 4, 3, 1)
    assert (row["value_if_failed_worst"], row["value_if_failed_best"]) == (0.25, 0.5)
    interval = stats.binomtest(1, 3).proportion_ci(method="wilson")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high), rel=1e-5)
    assert set(rows) == {"exact_match", "exact_match[circular]"}
    by_id = table.filter(level="by_id", metric="exact_match[circular]")
    assert by_id.select("group", "value").rows() == [("0", 1.0), ("1", 0.0), ("2", None), ("3", 0.0)]


def test_epochs_of_rotations():
    ids, samples, values = [], [], []
    for sample in range(2):
        for epoch in range(2):
            for rotation in range(3):
                end = ("~e2" if epoch else "") + (f"~r{rotation}" if rotation else "")
                ids.append(f"{sample}{end}")
                samples.append(str(sample))
                values.append(0.0 if (sample, epoch, rotation) in ((0, 1, 2), (1, 0, 0), (1, 1, 1)) else 1.0)
    rows = _general(aggregate(score_table(values, id=ids, sample=samples), "r", "m", "t"))
    assert rows["exact_match[circular]"]["value"] == 0.25
    assert rows["exact_match[circular][pass@2]"]["value"] == 0.5
    assert rows["exact_match[circular][epoch_sd]"]["value"] == pytest.approx(np.std([0.5, 0.0], ddof=1))


def test_groups_have_them_too_and_order_and_parts_do_not_matter(monkeypatch):
    random = np.random.default_rng(2)
    answers = (random.random((60, 4)) < 0.6).astype(float).tolist()
    scores = _asked(answers).with_columns(doc_class=pl.format("c{}", pl.col("document").cast(pl.Int64) % 3))
    first = aggregate(scores, "r", "m", "t")
    classes = first.filter(level="by_doc_type", metric="exact_match[pass@2]")
    assert classes["group"].to_list() == ["c0", "c1", "c2"] and classes["n"].to_list() == [20] * 3
    assert first.filter(level="by_doc_type", metric="exact_match[epoch_sd]").height == 3
    monkeypatch.setattr(repeated, "_PART_ROWS", 40)
    again = aggregate(scores.sample(fraction=1, shuffle=True, seed=3), "r", "m", "t")
    keys = ["level", "metric", "group"]
    assert first.sort(keys).write_csv() == again.sort(keys).write_csv()


def test_without_repeats_nothing_is_added():
    scores = score_table([1.0, 0.0])
    assert set(aggregate(scores, "r", "m", "t")["metric"]) == {"exact_match"}
