"""Average normalised Levenshtein similarity."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.edits import best_reference, distances, each_reference

_THRESHOLD = 0.5


class Anls(Metric):
    """s = 1 - NL with NL = Lev(g', p') / max(len g', len p'), for the nearest reference; s = 0 where NL >= 0.5.

    g' and p' are the texts after normalisation (by default `docvqa@1`: lower case, white space collapsed and
    stripped). Two empty texts are equal: s = 1.

    Profile `vlmevalkit` reproduces that tool: NL is divided by the length of the texts as they were before
    normalisation (in upper case, where a few characters become two), and s = 0 only where s < 0.5, so that NL = 0.5
    scores 0.5. Profile `lmms-eval`: that tool computes the same.
    """

    name = "anls"
    summary = "average normalised Levenshtein similarity, 0 from a normalised distance of 0.5"
    direction = "higher"
    source = "Biten et al. 2019, Scene Text Visual Question Answering (arXiv:1905.13648), equation 1; DocVQA's rule"
    normalisation = "docvqa@1"
    profiles = ("vlmevalkit", "lmms-eval")

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = the sample's similarity."""
        tool = self.profile is not None
        frame = each_reference(pairs, pl.col("raw_answer"))
        if tool:
            frame = frame.with_columns(pairs["raw_references"].explode().alias("raw_reference"))
            left, right = (pl.col(name).str.to_uppercase() for name in ("raw_answer", "raw_reference"))
        else:
            left, right = pl.col("answer"), pl.col("reference")
        edits = distances(frame["answer"], frame["reference"]).cast(pl.Float64)
        longest = pl.max_horizontal(left.str.len_chars(), right.str.len_chars()).cast(pl.Float64)
        distance = pl.when(longest > 0).then(edits / longest).otherwise(0.0)
        similarity = 1.0 - distance
        too_far = similarity < _THRESHOLD if tool else distance >= _THRESHOLD
        value = pl.when(too_far).then(0.0).otherwise(similarity)
        return best_reference(frame.select("row", value.alias("numerator")))
