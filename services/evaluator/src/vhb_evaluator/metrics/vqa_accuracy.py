"""Accuracy against the answers of several people."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.edits import each_reference
from vhb_shared.errors import UserError

_ENOUGH = 3
"""People who have to agree for a whole point."""


class VqaAccuracy(Metric):
    """The mean over the people asked, each left out once, of min(1, others who gave this answer / 3).

    With one reference nobody is left to agree, and the value would be 0 whatever was answered: such data sets are
    refused. Texts are compared after `vqa@1`, which is always applied, also where all people agree (the published
    evaluation then compares raw texts).
    """

    name = "vqa_accuracy"
    summary = "agreement with the answers of several people, three of whom give a whole point"
    direction = "higher"
    source = "Antol et al. 2015, VQA (arXiv:1505.00468); Goyal et al. 2017, VQA v2 (arXiv:1612.00837); their evaluation"
    normalisation = "vqa@1"
    min_references = 2

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`.

        Raises:
            UserError: a sample has one reference only.
        """
        if pairs.select((pl.col("references").list.len() < self.min_references).any()).item():
            raise UserError(
                f"{self.name} compares with the answers of several people: use exact_match for one reference"
            )
        agree = pl.col("agree")
        same = (pl.col("answer") == pl.col("reference")).cast(pl.Float64).sum()
        counted = (
            each_reference(pairs)
            .group_by("row", maintain_order=True)
            .agg(pl.len().alias("people"), same.alias("agree"))
        )
        among = agree * pl.min_horizontal((agree - 1) / _ENOUGH, 1.0)
        beside = (pl.col("people") - agree) * pl.min_horizontal(agree / _ENOUGH, 1.0)
        value = pl.when(agree > 0).then((among + beside) / pl.col("people")).otherwise(0.0)
        return counted.select("row", value.alias("numerator"), pl.lit(1.0).alias("denominator"))

    def best_answers(self, pairs: pl.DataFrame) -> pl.Expr:
        """See `Metric.best_answers`: what most people said."""
        return pl.col("references").list.eval(pl.element().mode().sort().first()).list.first()
