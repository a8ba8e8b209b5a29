"""ROUGE-L."""

from typing import cast

import polars as pl
from rouge_score.tokenizers import DefaultTokenizer

from vhb_evaluator.metrics.base import Metric, MetricOptions
from vhb_evaluator.metrics.edits import best_reference, common, each_reference


class RougeOptions(MetricOptions):
    """Options of ROUGE-L."""

    stemmer: bool = False
    """Compare the stems of words (Porter, English); with profile `rouge-score` only."""


class RougeL(Metric):
    """F of the longest common subsequence of words: 2 P R / (P + R), P = common / words of the answer, R = common /
    words of the reference. Of several references the best counts.

    Words are runs of letters and digits in lower case. Two texts without words are equal: 1.

    Profile `rouge-score` reproduces the library of that name: only ASCII letters and digits make words, so that a text
    in Cyrillic has none and scores 0; two texts without words score 0; words can be stemmed.
    """

    name = "rouge_l"
    summary = "F measure of the longest common subsequence of words"
    direction = "higher"
    source = "Lin 2004, ROUGE: a package for automatic evaluation of summaries; beta 1 as in rouge-score"
    normalisation = "text-lower@1"
    profiles = ("rouge-score",)
    options_type = RougeOptions

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`."""
        frame = each_reference(pairs)
        said, wanted = (self._words(frame[column]) for column in ("answer", "reference"))
        shared = common(said, wanted).cast(pl.Float64).alias("shared")
        counts = frame.select("row", shared, said=said.list.len(), wanted=wanted.list.len())
        total = (pl.col("said") + pl.col("wanted")).cast(pl.Float64)
        nothing = 0.0 if self.profile else 1.0
        # 2PR / (P + R) is twice what is common over all words of both.
        value = pl.when(total > 0).then(2 * pl.col("shared") / total).otherwise(nothing)
        return best_reference(counts.select("row", value.alias("numerator")))

    def _words(self, texts: pl.Series) -> pl.Series:
        if self.profile is None:
            return texts.str.to_lowercase().str.extract_all(r"[\p{L}\p{M}\p{N}]+")
        if not cast("RougeOptions", self.options).stemmer:
            return texts.str.to_lowercase().str.extract_all("[a-z0-9]+")
        stemmed = DefaultTokenizer(use_stemmer=True)  # text by text: there is no batch call
        return pl.Series([stemmed.tokenize(text) for text in texts], dtype=pl.List(pl.String))
