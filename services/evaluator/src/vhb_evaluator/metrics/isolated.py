"""A metric with packages of its own: the adapter between the contract of a metric and its worker."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import polars as pl
from pydantic import Field, create_model

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.metrics.base import Metric, MetricOptions
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.documents.check import did_you_mean
from vhb_shared.environments.registry import environment_names, environment_type
from vhb_shared.errors import UserError

BATCH = 256
"""Samples of one request at most."""
_BATCH_BYTES = 8 << 20
_GIVEN = ("row", "answer", "references", "question", "choices", "answer_bbox", "fields", "doc_class", "question_type")
_SCORES = pl.Schema({
    "row": pl.UInt32(), "numerator": pl.Float64(), "denominator": pl.Float64(), "unparsable": pl.Boolean(),
    "detail": pl.String(), "not_scored": pl.String(),
})  # fmt: skip
_KINDS: dict[type, Any] = {
    bool: bool,
    int: float | int,
    float: float | int,
    str: str,
    list: list[Any],
    dict: dict[str, Any],
}


class IsolatedMetric(Metric):
    """Scored by a worker process in an environment of its own; see `isolation`."""

    entry: ClassVar[MetricEntry]

    def check(self) -> None:
        """See `Metric.check`. Builds and starts nothing."""
        entry = self.entry
        if entry.environment not in environment_names():
            hint = did_you_mean(entry.environment, environment_names())
            raise UserError(f"metric {entry.name!r}: unknown environment {entry.environment!r}; {hint}")
        runs_images = environment_type(entry.environment).capabilities.runs_images
        if runs_images and entry.image is None:
            raise UserError(
                f"metric {entry.name!r}: environment {entry.environment} needs an `image` with Python in it"
            )
        if entry.image is not None and not runs_images:
            raise UserError(f"metric {entry.name!r}: environment {entry.environment} runs no images: remove `image`")

    def comparable(self) -> pl.Expr:
        """See `Metric.comparable`."""
        return super().comparable() if "references" in self.entry.needs else pl.lit(True)

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`. Asks the worker, batch by batch.

        Raises:
            EvaluationFailed: the metric failed, or cannot be run here.
            Unavailable: its packages cannot be fetched now.
        """
        workers = self.context.workers
        if workers is None:
            raise EvaluationFailed(f"metric {self.name!r} has packages of its own: only an evaluator can compute it")
        options = self.entry.options | self.options.model_dump(by_alias=True, exclude_unset=True)
        tables = [
            pl.DataFrame(workers.score(self.entry, options, batch), schema=_SCORES)
            for batch in _batches(pairs.select(_GIVEN))
        ]
        return pl.concat(tables)


def _batches(pairs: pl.DataFrame) -> list[list[dict[str, Any]]]:
    size = max(1, pairs.estimated_size() // max(1, pairs.height))
    rows = int(max(1, min(BATCH, _BATCH_BYTES // size)))
    return [part.to_dicts() for part in pairs.iter_slices(rows)]


def isolated_class(entry: MetricEntry) -> type[IsolatedMetric]:
    """The class of a metric by its entry."""
    return _class(entry.model_dump_json())


@lru_cache(maxsize=64)
def _class(content: str) -> type[IsolatedMetric]:
    entry = MetricEntry.model_validate_json(content)
    worst_first = entry.range if entry.direction == "higher" or entry.range is None else entry.range[::-1]
    needs = tuple(need for need in entry.needs)
    return type(
        "IsolatedMetric",
        (IsolatedMetric,),
        {
            "__doc__": f"Runs in environment {entry.environment} with {', '.join(_contents(entry)) or 'no packages'}.",
            "entry": entry,
            "name": entry.name,
            "version": entry.full_version,
            "summary": entry.summary,
            "direction": entry.direction,
            "source": entry.source,
            "needs": needs,
            "normalisation": entry.normalisation,
            "options_type": _options_type(entry),
            "pooled": entry.pooled,
            "min_references": entry.min_references,
            "extremes": worst_first,
        },
    )


def _contents(entry: MetricEntry) -> list[str]:
    return [*entry.packages, *(["its lock"] if entry.lock else []), *(["its own code"] if entry.path else [])]


def _options_type(entry: MetricEntry) -> type[MetricOptions]:
    # The fields' own names are not the options': `copy` or `schema` would hide methods of the model.
    fields: dict[str, Any] = {
        f"option_{name}": (_KINDS.get(type(default), Any), Field(default, alias=name, description=json.dumps(default)))
        for name, default in entry.options.items()
    }
    return create_model(f"Options of {entry.name}", __base__=MetricOptions, **fields)


def metric_environments(metrics: Sequence[Any]) -> dict[str, Any]:
    """What isolated metrics really ran with, by their ids, as JSON; empty where there are none.

    Args:
        metrics: bound ones (`registry.BoundMetric`).

    Raises: as `Workers.installed`.
    """
    found: dict[str, Any] = {}
    for bound in metrics:
        metric = bound.metric
        if isinstance(metric, IsolatedMetric) and metric.context.workers is not None and metric.name not in found:
            found[metric.name] = metric.context.workers.installed(metric.entry)
    return found
