"""Relaxed accuracy of questions about charts."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.edits import best_reference, each_reference

_TOLERANCE = 0.05
_LOOSE = r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?$"
_PLAIN = r"^[+-]?\d+(\.\d+)?$"


class RelaxedAccuracy(Metric):
    """1 if the answer is within 5 % of a numeric reference, or equal to a reference in any case; else 0.

    Both are numbers and the reference is not 0: |answer - reference| / |reference| <= 0.05. Otherwise the texts must be
    equal. A number may have a sign, a point, an exponent and a percent sign, which divides it by 100. "1,000" is a
    text, as in the published evaluation.

    Profile `strict`: a number is digits with an optional sign, decimals and percent sign; "1e3" and ".5" are texts.
    Profile `numbers`: thousands separators (comma, point, space, apostrophe), a decimal comma, currency signs and the
    minus sign are read too. What is ambiguous is read as thousands: "1,000" is 1000, "1,5" is 1.5.
    """

    name = "relaxed_accuracy"
    summary = "share of answers within 5 % of a numeric reference, or equal to a reference"
    direction = "higher"
    source = (
        "Methani et al. 2020, PlotQA (arXiv:1909.00997); Masry et al. 2022, ChartQA (arXiv:2203.10244), section 5.1"
    )
    normalisation = "docvqa@1"
    profiles = ("strict", "numbers")

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`."""
        answer, reference = pl.col("answer"), pl.col("reference")
        frame = each_reference(pairs).with_columns(
            self._number(answer).alias("said"), self._number(reference).alias("wanted")
        )
        said, wanted = pl.col("said"), pl.col("wanted")
        numeric = said.is_not_null() & wanted.is_not_null() & (wanted != 0)
        right = (
            pl.when(numeric)
            .then((said - wanted).abs() / wanted.abs() <= _TOLERANCE)
            .otherwise(answer.str.to_lowercase() == reference.str.to_lowercase())
        )
        return best_reference(frame.select("row", right.cast(pl.Float64).alias("numerator")))

    def _number(self, text: pl.Expr) -> pl.Expr:
        """The text as a number; null where it is none."""
        percent = text.str.ends_with("%")
        digits = text.str.strip_chars_end("%").str.to_lowercase().str.strip_chars(" ")
        if self.profile == "numbers":
            digits = _separated(digits)
        pattern = _PLAIN if self.profile == "strict" else _LOOSE
        number = pl.when(digits.str.contains(pattern)).then(digits).str.strip_chars_start("+")
        value = number.cast(pl.Float64, strict=False)
        value = pl.when(value.is_finite()).then(value)
        return pl.when(percent).then(value / 100).otherwise(value)


def _separated(text: pl.Expr) -> pl.Expr:
    """Digits with a point at most, for a number written with separators."""
    plain = text.str.replace_all("−", "-", literal=True).str.replace_all(r"[$€£¥₽\s'’_]", "")
    commas = plain.str.contains(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
    points = plain.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+,\d+$|^[+-]?\d{1,3}(\.\d{3}){2,}$")
    comma = plain.str.contains(r"^[+-]?\d+,\d+$")
    return (
        pl.when(commas)
        .then(plain.str.replace_all(",", "", literal=True))
        .when(points)
        .then(plain.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True))
        .when(comma)
        .then(plain.str.replace(",", ".", literal=True))
        .otherwise(plain)
    )
