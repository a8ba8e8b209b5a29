"""Whether a data set can be scored with a metric: checked before a GPU is used."""

import json

import polars as pl

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.registry import bind
from vhb_evaluator.scoring import SAMPLE_FIELDS, score_bound
from vhb_shared.contracts.job import MetricSpec, TaskEntry
from vhb_shared.errors import UserError

_ROWS = 50_000
"""Tried at once."""


def check_samples(spec: MetricSpec, samples: pl.LazyFrame, task: TaskEntry | None = None) -> None:
    """Tries a metric on samples, without answers.

    Args:
        spec: the metric.
        samples: columns `SAMPLE_COLUMNS`.
        task: whose metric it is; None for a metric on its own.

    Raises:
        UserError: as `bind`; or the metric cannot score these samples, whatever is answered.
    """
    bound = bind(spec, MetricContext.of(task))
    metric = bound.metric
    if metric.min_references > 1:
        given = pl.col("references").list.len()
        short = samples.filter((given > 0) & (given < metric.min_references)).select("id", given.alias("given"))
        found = short.head(1).collect()
        if not found.is_empty():
            sample, references = found.row(0)
            raise UserError(
                f"metric {bound.label!r} compares with at least {metric.min_references} references, and sample "
                f"{sample!r} has {references}: use exact_match"
            )
    if not metric.checks_samples:
        return
    known = set(samples.collect_schema())
    rows, start = samples.select(name for name in SAMPLE_FIELDS if name in known), 0
    while not (part := rows.slice(start, _ROWS).collect()).is_empty():
        answers = part.select("index", "id", pl.lit("").alias("model_answer"), pl.lit("empty").alias("outcome"))
        try:
            scores = score_bound(part, answers, (bound,))
        except EvaluationFailed as error:
            raise UserError(f"metric {bound.label!r} does not suit the data set: {error}") from error
        unfit = scores.filter(pl.col("status") == "not_scored")
        if not unfit.is_empty():
            sample, detail = unfit.select("sample", "detail").row(0)
            raise UserError(
                f"metric {bound.label!r} cannot score {unfit.height} of {part.height} samples, the first is "
                f"{sample!r}: {json.loads(detail)['not_scored']}; correct the references, or leave the metric out"
            )
        start += _ROWS
