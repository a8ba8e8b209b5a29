"""Scores of one shard as they are stored: a table that says of itself what its metrics are."""

import json
from collections.abc import Iterable

import polars as pl

from vhb_evaluator.metrics.registry import BoundMetric
from vhb_evaluator.tables import as_parquet
from vhb_shared.contracts.results import KNOWN_METRICS, KnownMetric


def as_part(scores: pl.DataFrame, metrics: Iterable[BoundMetric]) -> bytes:
    """Parquet with what whoever sums parts up before the run ends has to know of the metrics."""
    known = [
        KnownMetric(
            metric=each.label,
            composite=each.metric.composite,
            higher_is_better=each.metric.direction == "higher",
        )
        for each in metrics
    ]
    return as_parquet(scores, {KNOWN_METRICS: json.dumps([each.model_dump() for each in known])})
