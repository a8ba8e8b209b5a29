"""Metrics that look at one sample at a time: answers that must be parsed cannot be scored as columns."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from vhb_evaluator.metrics.base import Metric


class Verdict(NamedTuple):
    """The score of one sample."""

    numerator: float
    denominator: float = 1.0
    unparsable: bool = False
    detail: Mapping[str, Any] | None = None
    not_scored: str | None = None
    """Why it could not be measured, through no fault of the model."""


def not_scored(reason: object) -> Verdict:
    """The verdict on a sample that cannot be measured."""
    return Verdict(0.0, not_scored=str(reason))


class StructuredMetric(Metric):
    """Scores samples one by one; texts come as they are, without normalisation of the whole."""

    normalisation = "none@1"

    @abstractmethod
    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """One for each row of `pairs` (`PAIR_COLUMNS`), in their order."""

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`."""
        verdicts = list(self.verdicts(pairs))
        return pl.DataFrame(
            {
                "row": pairs["row"],
                "numerator": [verdict.numerator for verdict in verdicts],
                "denominator": [verdict.denominator for verdict in verdicts],
                "unparsable": [verdict.unparsable for verdict in verdicts],
                "detail": [None if each.detail is None else as_detail(each.detail) for each in verdicts],
                "not_scored": [verdict.not_scored for verdict in verdicts],
            },
            schema_overrides={
                "numerator": pl.Float64,
                "denominator": pl.Float64,
                "detail": pl.String,
                "not_scored": pl.String,
            },
        )


def as_detail(content: Mapping[str, Any]) -> str:
    """A detail as it is stored."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
