"""Exact match."""

import polars as pl

from vhb_evaluator.metrics.base import Metric


class ExactMatch(Metric):
    """1 if the answer equals any of the references after normalisation, else 0."""

    name = "exact_match"
    summary = "share of answers equal to a reference after normalisation"
    direction = "higher"
    source = "Rajpurkar et al. 2016, SQuAD (arXiv:1606.05250), section 6.1; the normalisation is named in each row"

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`."""
        return pairs.select(
            "row",
            pl.col("references").list.contains(pl.col("answer")).cast(pl.Float64).alias("numerator"),
            pl.lit(1.0).alias("denominator"),
        )
