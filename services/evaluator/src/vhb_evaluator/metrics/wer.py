"""Word error rate, pooled and as a mean."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.edits import edits_to_nearest, error_rate


class Wer(Metric):
    """Edited words / reference words, summed over the group before dividing.

    Words are what white space separates after normalisation. Empty and several references: as for `cer`.
    """

    name = "wer"
    summary = "word error rate: sum of edits / sum of reference words"
    direction = "lower"
    source = "Levenshtein 1966; Morris et al. 2004, From WER and RIL to MER and WIL"
    pooled = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = edits, denominator = words of the reference."""
        return edits_to_nearest(pairs, "words").rename({"edits": "numerator", "length": "denominator"})


class WerMean(Metric):
    """The mean of the samples' word error rates: every sample weighs the same."""

    name = "wer_mean"
    summary = "word error rate: mean of the samples' rates"
    direction = "lower"
    source = Wer.source

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = the sample's rate."""
        return edits_to_nearest(pairs, "words").select(
            "row",
            error_rate(pl.col("edits"), pl.col("length")).alias("numerator"),
            pl.lit(1.0).alias("denominator"),
        )
