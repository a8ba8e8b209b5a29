"""Character error rate, pooled and as a mean."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.edits import edits_to_nearest, error_rate


class Cer(Metric):
    """Edited characters / reference characters, summed over the group before dividing.

    Characters are Unicode code points after normalisation. May exceed 1. An empty reference: 0 if the answer is empty
    too, else 1; in a group its edits are counted and its length is 0. Of several references the one with the lowest
    rate counts, among equals the longest.
    """

    name = "cer"
    summary = "character error rate: sum of edits / sum of reference lengths"
    direction = "lower"
    source = "Levenshtein 1966; Morris et al. 2004, From WER and RIL to MER and WIL, with characters for words"
    pooled = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = edits, denominator = characters of the reference."""
        return edits_to_nearest(pairs, "characters").rename({"edits": "numerator", "length": "denominator"})


class CerMean(Metric):
    """The mean of the samples' character error rates: every sample weighs the same."""

    name = "cer_mean"
    summary = "character error rate: mean of the samples' rates"
    direction = "lower"
    source = Cer.source

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = the sample's rate."""
        return edits_to_nearest(pairs, "characters").select(
            "row",
            error_rate(pl.col("edits"), pl.col("length")).alias("numerator"),
            pl.lit(1.0).alias("denominator"),
        )
