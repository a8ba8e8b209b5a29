"""Whether a reference occurs in the answer."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.edits import best_reference, each_reference


class Contains(Metric):
    """1 if any reference is a part of the answer after normalisation, else 0. An empty reference: only if the answer
    is empty too."""

    name = "contains"
    summary = "share of answers in which a reference occurs"
    direction = "higher"
    source = "Liu et al. 2023, On the hidden mystery of OCR in large multimodal models (arXiv:2305.07895), section 3.2"
    normalisation = "text-lower@1"

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`."""
        answer, reference = pl.col("answer"), pl.col("reference")
        found = pl.when(reference == "").then(answer == "").otherwise(answer.str.contains(reference, literal=True))
        return best_reference(each_reference(pairs).select("row", found.cast(pl.Float64).alias("numerator")))
