"""What a run's per-sample scores say beyond their mean: how they are spread, what was taken for what, which fields.
Blocking; memory does not grow with the number of samples."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from vhb_reporter.measures import Confusion, FieldCount, Spread
from vhb_shared.computing.fields import count_fields

BINS = 20
"""Of a histogram, over 0 to 1; one more holds what lies above."""
_PAIRS = 5_000
"""Different (expected, predicted) pairs of one metric; the rest is counted only."""


def read_spreads(scores: Path) -> dict[str, Spread]:
    """Metric label -> how its values are spread over the scored samples."""
    value = pl.col("value")
    rows = pl.scan_parquet(scores).filter(value.is_finite()).select("metric", "value")
    places = (value * BINS).floor().clip(0, BINS - 1)
    binned = (
        rows.select("metric", pl.when(value > 1).then(BINS).otherwise(places).cast(pl.Int64).alias("bin"))
        .group_by("metric", "bin")
        .len()
        .collect(engine="streaming")
    )
    quantiles = (
        rows.group_by("metric")
        .agg(
            pl.len().alias("n"),
            *(value.quantile(share, "nearest").alias(f"p{round(100 * share)}") for share in (0.1, 0.5, 0.9)),
            (value == 0).sum().alias("zeros"),
            (value == 1).sum().alias("ones"),
            value.min().alias("least"),
        )
        .collect(engine="streaming")
    )
    bins: dict[str, list[int]] = {}
    for metric, place, count in binned.iter_rows():
        bins.setdefault(metric, [0] * (BINS + 1))[place] = count
    return {
        row["metric"]: Spread(
            bins=tuple(bins[row["metric"]]), n=row["n"], p10=row["p10"], p50=row["p50"], p90=row["p90"],
            zeros=row["zeros"], ones=row["ones"],
        )
        # A histogram from 0 to 1 says nothing about a metric that goes below.
        for row in quantiles.sort("metric").iter_rows(named=True) if row["least"] >= 0
    }  # fmt: skip


def read_confusions(scores: Path) -> dict[str, tuple[Confusion, ...]]:
    """Metric label -> what was taken for what, most frequent first, of metrics whose `detail` says so:
    `{"expected": ..., "predicted": ...}` (or `picked`), null for nothing valid."""
    detail = pl.col("detail")
    if not _has_details(scores):
        return {}
    said = detail.str.contains('"expected"', literal=True) & detail.str.contains('"(predicted|picked)"')
    counted = (
        pl.scan_parquet(scores)
        .filter(said)
        .group_by("metric", "detail")
        .len()
        .top_k(_PAIRS, by="len")
        .collect(engine="streaming")
        .sort(["metric", "len", "detail"], descending=[False, True, False])
    )
    found: dict[str, dict[tuple[str | None, str | None], int]] = {}
    for metric, text, count in counted.iter_rows():
        content = _object(text)
        key = _label(content.get("expected")), _label(content.get("predicted", content.get("picked")))
        pairs = found.setdefault(metric, {})
        pairs[key] = pairs.get(key, 0) + count
    return {
        metric: tuple(Confusion(expected, predicted, count) for (expected, predicted), count in pairs.items())
        for metric, pairs in found.items()
    }


def read_fields(scores: Path) -> dict[str, tuple[FieldCount, ...]]:
    """Metric label -> how often each field was right, most frequent first; see `computing.fields`."""
    return {
        metric: tuple(
            sorted((FieldCount(name, *each) for name, each in counts.items()), key=lambda item: (-item.n, item.name))
        )
        for metric, counts in count_fields(scores).items()
    }


def _has_details(scores: Path) -> bool:
    return "detail" in pl.scan_parquet(scores).collect_schema()


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _label(value: object) -> str | None:
    return None if value is None else str(value)[:200]
