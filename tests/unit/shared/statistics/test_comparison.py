"""Two runs compared: against scipy, against what must hold whatever the scores are, and what is refused."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vhb_shared.errors import UserError
from vhb_shared.statistics.comparison import compare_scores, with_holm
from vhb_shared.statistics.significance import holm
from vhb_shared.testing.scores import score_table


def _one(a: pl.DataFrame, b: pl.DataFrame, **options: Any) -> Any:
    (found,) = compare_scores(a, b, **options).differences
    return found


def test_right_or_wrong_answers_are_compared_by_mcnemar_s_exact_test():
    first = [1.0] * 50 + [1.0] * 4 + [0.0] * 16 + [0.0] * 30
    second = [1.0] * 50 + [0.0] * 4 + [1.0] * 16 + [0.0] * 30
    found = _one(score_table(first), score_table(second), higher_is_better={"exact_match": True})
    assert (found.baseline, found.candidate, found.difference) == (0.54, 0.66, pytest.approx(0.12))
    assert (found.baseline_better, found.candidate_better, found.n_pairs, found.n_documents) == (4, 16, 100, 100)
    assert found.test == "mcnemar"
    assert found.p_value == pytest.approx(stats.binomtest(4, 20).pvalue) == found.p_holm
    assert found.ci_low < 0.12 < found.ci_high


def test_exchanges_agree_with_scipy_where_all_are_tried():
    random = np.random.default_rng(1)
    first, second = random.random(12), random.random(12) + 0.2
    expected = stats.permutation_test(
        (first, second), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    found = _one(score_table(first.tolist(), "anls"), score_table(second.tolist(), "anls"))
    assert found.test == "permutation"
    assert found.p_value == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("documents", [200, 6000])
def test_many_documents_agree_with_the_paired_t_test(documents):
    random = np.random.default_rng(2)
    first = random.random(documents)
    second = first + random.normal(1.2 / documents**0.5, 0.5, documents)
    expected = stats.ttest_rel(second, first)
    found = _one(score_table(first.tolist(), "anls"), score_table(second.tolist(), "anls"))
    low, high = expected.confidence_interval()
    width = high - low
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.01)
    assert (found.ci_low, found.ci_high) == (
        pytest.approx(low, abs=0.06 * width),
        pytest.approx(high, abs=0.06 * width),
    )
    error = (second - first).std(ddof=1) / documents**0.5
    assert found.smallest_detectable == pytest.approx(2.80 * error, rel=0.02)


def test_the_smallest_detectable_difference_is_shown_in_eight_of_ten_data_sets():
    random = np.random.default_rng(3)
    size, spread = 80, 0.3
    true = stats.t.ppf(0.975, size - 1) * spread / size**0.5 + stats.t.ppf(0.8, size - 1) * spread / size**0.5
    shown = sum(
        _one(
            score_table([0.0] * size, "anls"), score_table(random.normal(true, spread, size).tolist(), "anls")
        ).p_value < 0.05
        for _ in range(100)
    )  # fmt: skip
    assert 0.7 <= shown / 100 <= 0.9


def test_questions_of_one_document_are_not_independent():
    random = np.random.default_rng(4)
    shift = np.repeat(random.normal(0, 0.3, 20), 10)
    first = random.random(200)
    documents = [str(row // 10) for row in range(200)]
    alone = _one(score_table(first.tolist(), "anls"), score_table((first + shift).tolist(), "anls"))
    together = _one(
        score_table(first.tolist(), "anls", document=documents),
        score_table((first + shift).tolist(), "anls", document=documents),
    )
    assert (alone.n_documents, together.n_documents, together.n_pairs) == (200, 20, 200)
    assert together.difference == pytest.approx(alone.difference)
    assert together.ci_high - together.ci_low > 2.5 * (alone.ci_high - alone.ci_low)
    assert together.p_value > alone.p_value
    clustered = _one(
        score_table([1.0] * 6 + [0.0] * 6, document=documents[:12]),
        score_table([0.0] * 6 + [1.0] * 6, document=documents[:12]),
    )
    assert clustered.test == "permutation"


def test_pairs_are_found_by_id_and_what_does_not_pair_is_counted():
    a = score_table([0.0, 1.0, 1.0, None, 0.0], id=["a", "b", "c", "d", "e"])
    b = score_table([1.0, 1.0, None, 0.0], id=["c", "b", "a", "f"])
    compared = compare_scores(a, b, names=("old", "new"))
    (found,) = compared.differences
    assert (found.n_pairs, found.baseline, found.candidate) == (2, 1.0, 1.0)
    assert (compared.only_baseline, compared.only_candidate) == (2, 1)
    assert (found.n_failed_baseline, found.n_failed_candidate) == (1, 1)
    # Of the three samples that both were asked, the new one failed on "a", which the old one got wrong.
    assert (found.low_if_failed, found.high_if_failed) == (0.0, pytest.approx(1 / 3))


def test_a_sample_asked_several_times_counts_once():
    repeated = score_table([1.0, 0.0, 1.0, 1.0, 0.0, 0.0], id=list("abcdef"), sample=["0", "0", "1", "1", "2", "2"])
    found = _one(repeated, score_table([1.0, 1.0, 1.0]))
    assert (found.n_pairs, found.baseline, found.candidate) == (3, 0.5, 1.0)


def test_equal_runs_and_single_documents_promise_nothing():
    same = _one(score_table([0.5, 0.2, 0.1], "anls"), score_table([0.5, 0.2, 0.1], "anls"))
    assert (same.difference, same.p_value, same.ci_low, same.smallest_detectable) == (0.0, 1.0, None, None)
    alone = _one(score_table([0.5], "anls"), score_table([0.7], "anls"))
    assert (alone.difference, alone.ci_low, alone.p_value) == (pytest.approx(0.2), None, None)
    nothing = _one(score_table([None, 1.0]), score_table([1.0, None]))
    assert (nothing.n_pairs, nothing.difference, nothing.p_holm) == (0, None, None)
    assert (nothing.low_if_failed, nothing.high_if_failed) == (-0.5, 0.5)


def test_groups_are_compared_after_all_samples_and_all_are_corrected_together():
    classes = ["invoice"] * 20 + [None] * 20
    random = np.random.default_rng(5)
    tables = [
        pl.concat(
            score_table((random.random(40) < share).astype(float).tolist(), metric, doc_class=classes)
            for metric in ("exact_match", "anls")
        )
        for share in (0.3, 0.8)
    ]
    found = compare_scores(*tables, by="doc_class").differences
    assert [(each.metric, each.level, each.group, each.n_pairs) for each in found] == [
        (metric, *rest)
        for metric in ("exact_match", "anls")
        for rest in (("general", "all", 40), ("doc_class", "(none)", 20), ("doc_class", "invoice", 20))
    ]
    assert [each.p_holm for each in found] == holm([each.p_value for each in found])
    one = compare_scores(*tables, metrics=["anls"])
    both = with_holm([one, one])
    assert both[0].differences[0].p_holm == pytest.approx(2 * one.differences[0].p_value)


def test_holm_is_the_step_down_procedure():
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_cannot_be_compared_is_said():
    a, b = score_table([1.0]), score_table([1.0], "anls")
    with pytest.raises(UserError, match=r"old \(exact_match\) and new \(anls\) have no metric in common"):
        compare_scores(a, b, names=("old", "new"))
    with pytest.raises(UserError, match="b was not scored with 'anls'; it has: exact_match"):
        compare_scores(b, a, metrics=["anls"])
    with pytest.raises(UserError, match=r"no column 'lang'; those to compare by are: .*doc_class, question_type"):
        compare_scores(a, a, by="lang")


_VALUES = st.lists(
    st.tuples(*[st.none() | st.floats(0, 1, allow_subnormal=False)] * 2, st.sampled_from("xyz")),
    min_size=1,
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(_VALUES)
def test_exchanging_the_runs_changes_signs_only(rows):
    a, b = (score_table([row[side] for row in rows], document=[row[2] for row in rows]) for side in (0, 1))
    there = _one(a, b, higher_is_better={"exact_match": True})
    back = _one(b, a, higher_is_better={"exact_match": True})
    for name, opposite in (("difference", "difference"), ("ci_low", "ci_high"), ("low_if_failed", "high_if_failed")):
        forth, mirrored = getattr(there, name), getattr(back, opposite)
        assert (forth is None) == (mirrored is None)
        assert forth is None or forth == pytest.approx(-mirrored, abs=1e-6)
    assert (there.baseline, there.candidate_better) == (back.candidate, back.baseline_better)
    assert there.p_value == pytest.approx(back.p_value)
    if there.ci_low is not None:
        assert there.ci_low <= there.difference <= there.ci_high


@settings(max_examples=30, deadline=None)
@given(_VALUES, st.data())
def test_a_sample_that_fails_widens_the_bounds(rows, data):
    a, b = ([row[side] for row in rows] for side in (0, 1))
    before = _one(score_table(a), score_table(b))
    side = data.draw(st.sampled_from((a, b)))
    side[data.draw(st.integers(0, len(rows) - 1))] = None
    after = _one(score_table(a), score_table(b))
    low, high = (
        (before.low_if_failed, before.high_if_failed)
        if before.low_if_failed is not None
        else (before.difference, before.difference)
    )
    assert after.low_if_failed <= low + 1e-12 and after.high_if_failed >= high - 1e-12
    assert compare_scores(score_table(a), score_table(b)) == compare_scores(score_table(a), score_table(b))
