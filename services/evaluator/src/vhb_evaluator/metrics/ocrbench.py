"""OCRBench, both versions."""

from typing import cast

import polars as pl

from vhb_evaluator.metrics.base import Metric, MetricOptions
from vhb_evaluator.metrics.edits import best_reference, distances, each_reference, word_counts
from vhb_evaluator.white_space import stripped

_SHORT = 5
"""Words from which on version 2 compares by similarity."""
_THRESHOLD = 0.5


class OcrBenchOptions(MetricOptions):
    """Options of OCRBench."""

    formulas: tuple[str, ...] = ("Handwritten Mathematical Expression Recognition", "HME100k")
    """Question types or document classes whose answers are formulas, in any case."""


class OcrBench(Metric):
    """1 if a reference is a part of the answer, else 0.

    Texts are compared in lower case, stripped, with spaces for line breaks (`ocrbench@1`). Of handwritten formulas
    spaces are removed and case is kept.
    """

    name = "ocrbench"
    summary = "share of answers in which a reference occurs; formulas without spaces, case kept"
    direction = "higher"
    source = "Liu et al. 2023, OCRBench (arXiv:2305.07895), and its evaluation"
    normalisation = "ocrbench@1"
    options_type = OcrBenchOptions

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`."""
        names = [name.lower() for name in cast("OcrBenchOptions", self.options).formulas]
        formula = pl.any_horizontal(
            pl.col(column).str.to_lowercase().is_in(names).fill_null(False) for column in ("question_type", "doc_class")
        )
        frame = each_reference(pairs, formula.alias("formula"), pl.col("raw_answer"))
        frame = frame.with_columns(pairs["raw_references"].explode().alias("raw_reference"))
        found = pl.col("answer").str.contains(pl.col("reference"), literal=True)
        exact = _unspaced("raw_answer").str.contains(_unspaced("raw_reference"), literal=True)
        right = pl.when("formula").then(exact).otherwise(found).cast(pl.Float64)
        return best_reference(frame.select("row", right.alias("numerator")))


class OcrBenchV2(Metric):
    """A reference of under 5 words: 1 if it is a part of the answer, else 0. A longer one: the normalised Levenshtein
    similarity of answer and reference, 0 below 0.5. The best of the references counts."""

    name = "ocrbench_v2"
    summary = "a short reference occurs in the answer, or the similarity to a long one from 0.5"
    direction = "higher"
    source = "Fu et al. 2024, OCRBench v2 (arXiv:2501.00321), and its evaluation of questions and answers"
    normalisation = "ocrbench@1"

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = 1, 0 or the similarity."""
        answer, reference = pl.col("answer"), pl.col("reference")
        frame = each_reference(pairs)
        frame = frame.with_columns((word_counts(frame["reference"]) < _SHORT).alias("short"))
        brief = frame.filter("short").select(
            "row", answer.str.contains(reference, literal=True).cast(pl.Float64).alias("numerator")
        )
        long = frame.filter(~pl.col("short"))
        longest = pl.max_horizontal(answer.str.len_chars(), reference.str.len_chars())
        similarity = 1.0 - pl.col("edits") / longest
        alike = long.with_columns(distances(long["answer"], long["reference"])).select(
            "row", pl.when(similarity >= _THRESHOLD).then(similarity).otherwise(0.0).alias("numerator")
        )
        return best_reference(pl.concat([brief, alike]))


def _unspaced(column: str) -> pl.Expr:
    return stripped(pl.col(column)).str.replace_all(r"[\n ]", "")
