"""Comparisons by replicates against a bootstrap of documents drawn one by one, and how often their intervals hold."""

import numpy as np
import polars as pl
import pytest

from vhb_shared.contracts.results import REPLICATE_COLUMNS
from vhb_shared.statistics.comparison import compare_scores
from vhb_shared.statistics.intervals import RESAMPLES
from vhb_shared.statistics.replicates import (
    BLOCKS,
    WEIGHTING,
    Replicated,
    block_of,
    block_weights,
    composite_difference,
    replicated,
    rounded_replicates,
    unready,
)
from vhb_shared.testing.scores import score_table

WEIGHTS = block_weights()
COUNT = 120
FIRST_DRAWS = [1, 0, 2, 1, 3, 1, 0, 0]
FIRST_BLOCKS = [173, 59, 385, 279]


def blocks(count, prefix="page"):
    names = pl.DataFrame({"document": [f"{prefix}-{place}" for place in range(count)]})
    return names.select(block_of(pl.col("document")))["document"].to_numpy()


def f1(right, positive, weights):
    """F1 of many resamples at once: weights of shape (resamples, documents); answers are positive or not."""
    said = np.where(right, positive, ~positive)
    hits = weights @ (said & positive).astype(float)
    return 2 * hits / (weights @ said.astype(float) + weights @ positive.astype(float))


def under_blocks(right, positive):
    once = np.ones((1, len(right)))
    drawn = WEIGHTS[:, blocks(len(right))]
    return Replicated(float(f1(right, positive, once)[0]), None, None, rounded_replicates(f1(right, positive, drawn)))


def pair(random, count, first=0.8, second=0.7):
    """Two models that find the same documents hard."""
    positive = random.random(count) < 0.5
    hard = random.random(count)
    return positive, hard < first, np.where(random.random(count) < 0.5, hard < second, random.random(count) < second)


def test_draws_are_the_same_everywhere():
    assert WEIGHTS.shape == (RESAMPLES, BLOCKS) and (WEIGHTS.sum(axis=1) == BLOCKS).all()
    assert WEIGHTS[0, :8].tolist() == FIRST_DRAWS
    assert blocks(4).tolist() == FIRST_BLOCKS
    assert abs(WEIGHTS.var() - 1) < 0.01  # multinomial draws: mean 1, variance 1 - 1 / blocks


def test_it_agrees_with_a_paired_bootstrap_of_documents():
    random = np.random.default_rng(1)
    positive, first, second = pair(random, 1_000)
    found = composite_difference(under_blocks(first, positive), under_blocks(second, positive), 1_000, failed=False)
    drawn = random.multinomial(1_000, np.full(1_000, 1 / 1_000), size=4_000).astype(float)
    direct = f1(second, positive, drawn) - f1(first, positive, drawn)
    low, high = np.quantile(direct, (0.025, 0.975))
    width = high - low
    assert found["ci_low"] == pytest.approx(low, abs=width / 10)
    assert found["ci_high"] == pytest.approx(high, abs=width / 10)
    assert found["difference"] == pytest.approx(direct.mean(), abs=width / 20)
    apart = f1(second, positive, drawn) - f1(first, positive, random.permutation(drawn))
    assert width < 0.9 * np.subtract(*np.quantile(apart, (0.975, 0.025)))  # pairing is what makes it narrow


def test_intervals_hold_the_truth_and_equal_models_seldom_differ():
    random = np.random.default_rng(2)
    positive, first, second = pair(random, 400_000)
    everything = np.ones((1, len(positive)))
    truth = float((f1(second, positive, everything) - f1(first, positive, everything))[0])
    held, shown, runs = 0, 0, 200
    for _ in range(runs):
        positive, first, second = pair(random, COUNT)
        found = composite_difference(under_blocks(first, positive), under_blocks(second, positive), COUNT, failed=False)
        held += found["ci_low"] <= truth <= found["ci_high"]
        positive, first, second = pair(random, COUNT, 0.75, 0.75)
        null = composite_difference(under_blocks(first, positive), under_blocks(second, positive), COUNT, failed=False)
        shown += null["p_value"] < 0.05
    assert 0.90 <= held / runs <= 0.99, held / runs
    assert 0.01 <= shown / runs <= 0.10, shown / runs


def test_runs_that_say_the_same_are_equal():
    positive, first, _ = pair(np.random.default_rng(3), COUNT)
    found = composite_difference(under_blocks(first, positive), under_blocks(first, positive), COUNT, failed=False)
    assert (found["difference"], found["p_value"]) == (0, 1) and "ci_low" not in found


def test_few_documents_are_not_tested():
    positive, first, second = pair(np.random.default_rng(4), COUNT)
    found = composite_difference(under_blocks(first, positive), under_blocks(second, positive), 9, failed=False)
    assert found["difference"] is not None and found["test"] is None and "p_value" not in found


def table(value, spread, label="f1_macro", level="general", group="all", weighting=WEIGHTING, bounds=(None, None)):
    values = np.random.default_rng(5).normal(value, spread, RESAMPLES)
    row = (label, level, group, value, *bounds, weighting, values.tolist())
    return pl.DataFrame([dict(zip(REPLICATE_COLUMNS, row, strict=True))], infer_schema_length=None)


def compared(first, second, a, b, **options):
    return compare_scores(
        a, b, names=("old", "new"), higher_is_better={"f1_macro": True}, composite=["f1_macro"],
        replicates=(first.lazy(), second.lazy()), **options,
    ).differences  # fmt: skip


def test_a_comparison_counts_samples_and_takes_values_from_replicates():
    a = score_table([1, 0] * 20 + [None], "f1_macro", doc_class=["x"] * 20 + ["y"] * 21)
    b = score_table([1] * 41, "f1_macro", doc_class=["x"] * 20 + ["y"] * 21)
    first = pl.concat([table(0.5, 0.02, bounds=(0.4, 0.55)), table(0.4, 0.02, level="doc_class", group="x")],
                      how="vertical_relaxed")  # fmt: skip
    second = pl.concat([table(0.9, 0.03, bounds=(0.9, 0.9)), table(0.8, 0.03, level="doc_class", group="x")],
                       how="vertical_relaxed")  # fmt: skip
    everything, of_x = compared(first, second, a, b, by="doc_class")
    assert (everything.baseline, everything.candidate, everything.test) == (0.5, 0.9, "bootstrap")
    assert (everything.n_pairs, everything.n_documents, everything.n_failed_baseline) == (40, 40, 1)
    assert everything.ci_low < 0.4 < everything.ci_high and everything.p_value == pytest.approx(1 / (RESAMPLES + 1))
    assert (everything.low_if_failed, everything.high_if_failed) == (pytest.approx(0.35), pytest.approx(0.5))
    assert everything.p_holm == pytest.approx(2 / (RESAMPLES + 1))
    assert (of_x.level, of_x.group, of_x.difference, of_x.n_pairs) == ("doc_class", "x", pytest.approx(0.4), 20)


def test_it_is_said_why_runs_cannot_be_compared():
    a, b = score_table([1, 0], "f1_macro").lazy(), score_table([1, 0, 1], "f1_macro").lazy()
    drawn, other = table(0.5, 0.02).lazy(), table(0.5, 0.02, weighting="another@1").lazy()
    assert unready("f1_macro", (a, a), (drawn, drawn)) is None
    assert unready("f1_macro", (a, a), (drawn, None)) == "evaluate"
    assert unready("f1_macro", (a, a), (other, drawn)) == "evaluate" and not replicated(other, "f1_macro", "general")
    assert unready("f1_macro", (a, b), (drawn, drawn)) == "asked"
