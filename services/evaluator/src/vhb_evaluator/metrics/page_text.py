"""Normalised edit distance of whole pages."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.edits import distances, each_reference


def edits_over_longest(pairs: pl.DataFrame) -> pl.DataFrame:
    """Edits between each answer and its nearest reference, and the length of the longer of the two.

    The nearest is the one with the lowest edits / length, among equals the longest, then the first given.

    Returns:
        `row`, `edits` (f64), `length` (f64; 0 only where both are empty), one row per row of `pairs`.
    """
    frame = each_reference(pairs)
    counted = frame.select(
        "row",
        distances(frame["answer"], frame["reference"]).cast(pl.Float64),
        pl.max_horizontal(pl.col("answer").str.len_chars(), pl.col("reference").str.len_chars())
        .cast(pl.Float64)
        .alias("length"),
    )
    return (
        counted.with_columns(_share().alias("share"))
        .sort("row", "share", "length", descending=[False, False, True], maintain_order=True)
        .group_by("row", maintain_order=True)
        .first()
        .select("row", "edits", "length")
    )


def _share() -> pl.Expr:
    return pl.when(pl.col("length") > 0).then(pl.col("edits") / pl.col("length")).otherwise(0.0)


class NormalisedEditDistance(Metric):
    """Edits / length of the longer text, for each page; the mean over pages. A sample is a page.

    Between 0 (equal) and 1; two empty pages are equal. Lower is better: tools that print 1 minus it call that an edit
    similarity. This is the overall of benchmarks that average over pages, where every page weighs the same; the one
    that weighs characters is `normalised_edit_distance_pooled`. Of several references the nearest counts.
    """

    name = "normalised_edit_distance"
    summary = "edits / length of the longer text: mean over pages"
    direction = "lower"
    source = "Ouyang et al. 2024, OmniDocBench (arXiv:2412.07626), edit distance, mean over pages"

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = the page's distance."""
        return edits_over_longest(pairs).select("row", _share().alias("numerator"), pl.lit(1.0).alias("denominator"))


class NormalisedEditDistancePooled(Metric):
    """Sum of edits / sum of the longer texts' lengths over the group: long pages weigh more."""

    name = "normalised_edit_distance_pooled"
    summary = "sum of edits / sum of the longer texts' lengths"
    direction = "lower"
    source = "Ouyang et al. 2024, OmniDocBench (arXiv:2412.07626), edit distance over the whole"
    pooled = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = edits, denominator = length of the longer text."""
        return edits_over_longest(pairs).rename({"edits": "numerator", "length": "denominator"})
