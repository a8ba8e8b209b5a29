"""Translation edit rate."""

from typing import cast

import polars as pl
from sacrebleu.metrics.ter import TER

from vhb_evaluator.metrics.base import Metric, MetricOptions
from vhb_evaluator.metrics.edits import word_counts, word_distances
from vhb_evaluator.metrics.translation import forget_texts

_MAX_WORDS = 500
"""Of a text in which shifts are looked for, which takes more than quadratic time."""


class TerOptions(MetricOptions):
    """Options of TER; sacrebleu's."""

    normalized: bool = False
    no_punct: bool = False
    case_sensitive: bool = False


class Ter(Metric):
    """Edits / reference words, summed over the group before dividing; an edit inserts, deletes or replaces a word, or
    shifts a phrase. Of several references the fewest edits count, over their mean length.

    In a text of more than 500 words no shifts are looked for: its edits are those of `wer`, never fewer.
    """

    name = "ter"
    summary = "translation edit rate: sum of edits with shifts / sum of reference words"
    direction = "lower"
    source = "Snover et al. 2006, A study of translation edit rate with targeted human annotation; sacrebleu"
    normalisation = "none@1"
    options_type = TerOptions
    pooled = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = edits, denominator = mean words of the references."""
        options = cast("TerOptions", self.options)
        counter = _Ter(normalized=options.normalized, no_punct=options.no_punct, case_sensitive=options.case_sensitive)
        rows = [  # text by text: sacrebleu has no batch call
            (row, *counter.edits(answer, references))
            for row, answer, references in pairs.select("row", "answer", "references").iter_rows()
        ]
        forget_texts(counter.tokenizer)
        shape = {"row": pl.UInt32(), "numerator": pl.Float64(), "denominator": pl.Float64()}
        return pl.DataFrame(rows, schema=shape, orient="row")


class _Ter(TER):
    """sacrebleu's TER, of one text and without shifts in long ones."""

    def edits(self, answer: str, references: list[str]) -> tuple[float, float]:
        """(fewest edits, mean length of the references)"""
        texts = [self._preprocess_segment(text) for text in (answer, *references)]
        if max(len(text.split()) for text in texts) <= _MAX_WORDS:
            edits, length = self._compute_segment_statistics(texts[0], self._extract_reference_info(references))
            return float(edits), float(length)
        wanted = pl.Series(texts[1:])
        fewest = min(word_distances(pl.Series(texts[:1] * len(references)), wanted).to_list())
        lengths = word_counts(wanted).to_list()
        return float(fewest), sum(lengths) / len(lengths)
