"""Accuracy, precision, recall and F1 of classes."""

from abc import abstractmethod
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, field_validator

from vhb_evaluator.metrics.base import Metric, MetricOptions
from vhb_evaluator.metrics.classes import contained, key, named
from vhb_evaluator.normalisation import normalised
from vhb_shared.errors import UserError

_Floats = npt.NDArray[np.float64]
_DETAIL = pl.Struct({"expected": pl.String(), "predicted": pl.String()})
_SOURCE = "Sokolova and Lapalme 2009, A systematic analysis of performance measures for classification tasks, table 3"

_SHOWN = 20


class Counts(NamedTuple):
    """A confusion matrix as far as the metrics need it: one row per group, one column per class."""

    expected: _Floats
    """Samples of the class."""
    predicted: _Floats
    """Answers that name it. An answer without a valid class is in no column."""
    right: _Floats
    """Both."""


class ClassOptions(MetricOptions):
    """Options of the metrics of classes."""

    classes: tuple[str, ...] = Field((), max_length=1000)
    """What may be answered, all of it. Not given: the choices of each sample."""

    @field_validator("classes")
    @classmethod
    def _unlike(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value) or not all(name.strip() for name in value):
            raise ValueError("every class needs a name of its own")
        return value


class Classification(Metric):
    """What the metrics of classes share: reading the class from an answer.

    An answer names a class if it equals it after normalisation, without punctuation and quotes around it. Any other
    answer is unparsable: it has no valid class, which is wrong whatever was expected, and never a guess. Profile
    `contained` also reads an answer in which exactly one class occurs, as whole words.
    """

    direction = "higher"
    source = _SOURCE
    normalisation = "text-lower@1"
    profiles = ("contained",)
    options_type = ClassOptions
    checks_samples = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`: numerator = 1 if the class is right. `detail` = {"expected": ..., "predicted": ...}, null
        for no valid class; of several references the one that was predicted, else the first.

        Raises:
            UserError: the classes are not known, two are the same, or a reference is none of them.
        """
        known = self._known(pairs)
        texts = pairs.select("row", pl.col("answer").alias("text"))
        predicted = named(texts, known)
        if self.profile == "contained":
            predicted = predicted.to_frame().select(pl.coalesce(predicted, contained(texts, known)).alias("class"))[
                "class"
            ]
        references = pairs.select("row", pl.col("references").alias("text")).explode("text")
        wanted = references.with_columns(named(references, known))
        self._complain_of(wanted.filter(pl.col("class").is_null()))
        frame = (
            pairs.select("row", predicted=predicted)
            .join(wanted.group_by("row").agg("class"), on="row", how="left", maintain_order="left")
            .with_columns(pl.col("class").list.contains(pl.col("predicted")).fill_null(False).alias("right"))
            .with_columns(pl.when("right").then("predicted").otherwise(pl.col("class").list.first()).alias("expected"))
        )
        return frame.select(
            "row",
            pl.col("right").cast(pl.Float64).alias("numerator"),
            pl.lit(1.0).alias("denominator"),
            pl.col("predicted").is_null().alias("unparsable"),
            pl.struct("expected", "predicted").struct.json_encode().alias("detail"),
        )

    def _known(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """`key` and `class`; with `row` where every sample has classes of its own."""
        classes = cast("ClassOptions", self.options).classes
        if classes:
            table = pl.DataFrame({"class": classes})
        else:
            table = pairs.select("row", pl.col("choices").alias("class")).explode("class").drop_nulls().unique()
            if table["row"].n_unique() < pairs.height:
                found = ", ".join(map(repr, pairs["raw_references"].explode().unique().sort().head(_SHOWN)))
                raise UserError(
                    f"{self.name} has to know the classes, and some samples have no choices: write "
                    f"{{name: {self.name}, options: {{classes: [...]}}}}; the references are {found}"
                )
        table = table.with_columns(key(normalised(pl.col("class"), self.normalised_by)).alias("key"))
        on = [name for name in ("row", "key") if name in table.columns]
        same = table.filter(pl.struct(on).is_duplicated())
        if not same.is_empty():
            raise UserError(
                f"{self.name}: the class {same['class'][0]!r} is not the only one of its name under "
                f"{self.normalised_by}: rename it, or name another normalisation"
            )
        return table

    def _complain_of(self, unknown: pl.DataFrame) -> None:
        if unknown.is_empty():
            return
        lacking = unknown["text"].unique(maintain_order=True).head(_SHOWN).to_list()
        raise UserError(f"{self.name}: the references {lacking} are not among the classes: add them to `classes`")


class Accuracy(Classification):
    """The share of answers that name the right class."""

    name = "accuracy"
    summary = "share of answers that name the right class; no valid class is wrong"


class ConfusionMetric(Classification):
    """What is computed of a group's confusion matrix. A sample alone: 1 if the class is right."""

    composite = True
    weighted = False
    """Weigh classes by their number of samples. False: every class that was expected or predicted weighs the same."""

    def statistics(self, detail: pl.Expr) -> pl.Expr:
        """See `Metric.statistics`: samples by expected class, by predicted class, and right ones by class."""
        decoded = detail.str.json_decode(_DETAIL)
        expected, predicted = (decoded.struct.field(name) for name in ("expected", "predicted"))
        names = {
            "expected": expected,
            "predicted": predicted,
            "right": pl.when(expected == predicted).then(expected),
        }
        return pl.concat_list(
            pl.struct(pl.concat_str(pl.lit(f"{part}:"), name).alias("name"), pl.lit(1.0).alias("amount"))
            for part, name in names.items()
        )

    def group_values(self, sums: pl.DataFrame) -> pl.Series:
        """See `Metric.group_values`."""
        counts = _counts(sums)
        values = self.by_class(counts)
        present = (counts.expected + counts.predicted > 0).astype(np.float64)
        weights = counts.expected if self.weighted else present
        total = weights.sum(axis=1)
        return pl.Series(_over((values * weights).sum(axis=1), total))

    @abstractmethod
    def by_class(self, counts: Counts) -> _Floats:
        """The measure of each class, 0 where it is undefined."""


def _counts(sums: pl.DataFrame) -> Counts:
    classes = list(dict.fromkeys(name.partition(":")[2] for name in sums.columns))
    nothing = np.zeros(sums.height)
    return Counts(*(
        np.column_stack([
            sums[f"{part}:{name}"].to_numpy() if f"{part}:{name}" in sums.columns else nothing for name in classes
        ])
        for part in Counts._fields
    ))  # fmt: skip


def _over(numerator: _Floats, denominator: _Floats) -> _Floats:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


class PrecisionMacro(ConfusionMetric):
    """Of the answers that name a class, the share that is right; 0 for a class that no answer names."""

    name = "precision_macro"
    summary = "precision, mean over classes"

    def by_class(self, counts: Counts) -> _Floats:
        """See `ConfusionMetric.by_class`."""
        return _over(counts.right, counts.predicted)


class RecallMacro(ConfusionMetric):
    """Of the samples of a class, the share that is answered right; 0 for a class without samples."""

    name = "recall_macro"
    summary = "recall, mean over classes"

    def by_class(self, counts: Counts) -> _Floats:
        """See `ConfusionMetric.by_class`."""
        return _over(counts.right, counts.expected)


class F1Macro(ConfusionMetric):
    """The harmonic mean of a class's precision and recall: 2 right / (samples + answers)."""

    name = "f1_macro"
    summary = "F1, mean over classes"

    def by_class(self, counts: Counts) -> _Floats:
        """See `ConfusionMetric.by_class`."""
        return _over(2 * counts.right, counts.expected + counts.predicted)


class PrecisionWeighted(PrecisionMacro):
    """Precision, classes weighing as many samples as they have."""

    name = "precision_weighted"
    summary = "precision, mean over classes weighed by their samples"
    weighted = True


class RecallWeighted(RecallMacro):
    """Recall, classes weighing as many samples as they have: the accuracy."""

    name = "recall_weighted"
    summary = "recall, mean over classes weighed by their samples (equals the accuracy)"
    weighted = True


class F1Weighted(F1Macro):
    """F1, classes weighing as many samples as they have."""

    name = "f1_weighted"
    summary = "F1, mean over classes weighed by their samples"
    weighted = True
