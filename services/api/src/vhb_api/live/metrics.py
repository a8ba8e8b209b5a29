"""Headline metrics of runs that go on, out of the parts of scores that there are so far.

A run is summed up at most every two seconds, once for all who ask; each part is read once. Of a part only sums by
document are kept.
"""

import asyncio
import io
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic

import polars as pl
from pydantic import BaseModel, TypeAdapter, ValidationError

from vhb_api.db import watching
from vhb_api.db.database import Database
from vhb_api.db.watching import ShardDone
from vhb_shared.contracts.results import KNOWN_METRICS, KnownMetric
from vhb_shared.errors import NotFound
from vhb_shared.statistics.clusters import Clusters
from vhb_shared.statistics.intervals import ratio, seed_of
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

EVERY_S = 2.0
MOST_RUNS = 64
"""Whose sums are kept."""
MOST_PARTS = 400
"""Read for one answer; the others come with the next ones."""
READERS = 8
MOST_BYTES = 64 << 20
"""Of one part."""
_KNOWN = TypeAdapter(list[KnownMetric])


class MetricSoFar(BaseModel):
    """A metric over the samples that are scored so far."""

    metric: str
    value: float | None
    """Null: nothing is scored yet; or the metric has a value for all samples of the run only (`composite`)."""
    ci_low: float | None
    """The 95% interval; null: the data do not say how certain the value is."""
    ci_high: float | None
    n: int
    n_scored: int
    n_failed: int
    higher_is_better: bool
    composite: bool


@dataclass
class _Part:
    token: str
    sums: pl.DataFrame
    """By metric and document."""
    known: list[KnownMetric]


@dataclass
class _Run:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    parts: dict[int, _Part] = field(default_factory=dict)
    metrics: list[MetricSoFar] = field(default_factory=list)
    asked_at: float = float("-inf")
    summed: int = -1
    """Parts whose sums `metrics` are of."""


@dataclass(frozen=True)
class SoFar:
    """What is known of a run."""

    shards_scored: int
    metrics: list[MetricSoFar]


class LiveMetrics:
    """Of all runs that somebody asks about.

    Args:
        database: says which parts count.
        store: where they are.
    """

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database, self._store = database, store
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._at_once = asyncio.Semaphore(READERS)
        self._summing = asyncio.Semaphore(1)

    async def of(self, run_id: str) -> SoFar:
        """The metrics of a run so far.

        Raises:
            Unavailable: the database or the storage does not answer.
        """
        run = self._runs.setdefault(run_id, _Run())
        self._runs.move_to_end(run_id)
        if len(self._runs) > MOST_RUNS:
            self._runs.popitem(last=False)
        async with run.lock:
            if monotonic() - run.asked_at >= EVERY_S:
                await self._bring_up_to_date(run_id, run)
                run.asked_at = monotonic()
            return SoFar(len(run.parts), run.metrics)

    async def _bring_up_to_date(self, run_id: str, run: _Run) -> None:
        done = await asyncio.to_thread(self._done, run_id)
        current = {one.shard: one.token for one in done}
        stale = [shard for shard, part in run.parts.items() if current.get(shard) != part.token]
        for shard in stale:
            del run.parts[shard]
        fresh = [one for one in done if one.shard not in run.parts][:MOST_PARTS]
        read = await asyncio.gather(*(self._read(run_id, one) for one in fresh))
        found = {one.shard: part for one, part in zip(fresh, read, strict=True) if part is not None}
        if found or stale or run.summed < 0:
            run.parts |= found
            async with self._summing:
                run.metrics = await asyncio.to_thread(_summed, list(run.parts.values()))
            run.summed = len(run.parts)

    def _done(self, run_id: str) -> list[ShardDone]:
        with self._database.reading() as session:
            return watching.shards(session, run_id)

    async def _read(self, run_id: str, one: ShardDone) -> _Part | None:
        """The part's sums; None while it is not scored."""
        async with self._at_once:
            try:
                data = await self._store.get(layout.scores_part(run_id, one.shard, one.token))
            except NotFound:
                return None
            if len(data) > MOST_BYTES:
                return None
            try:
                return await asyncio.to_thread(_sums_of, one.token, data)
            except (pl.exceptions.PolarsError, ValidationError, ValueError):
                return None  # the evaluator reads it too, and says what is wrong with it


def _sums_of(token: str, data: bytes) -> _Part | None:
    known = pl.read_parquet_metadata(io.BytesIO(data)).get(KNOWN_METRICS)
    if known is None:
        return None
    rows = pl.read_parquet(
        io.BytesIO(data), columns=["index", "document", "metric", "status", "numerator", "denominator"]
    )
    scored = pl.col("status").is_in(["scored", "unparsable"])
    binary = (pl.col("denominator") == 1) & pl.col("numerator").is_in([0.0, 1.0])
    sums = rows.group_by("metric", "document").agg(
        pl.col("index").min().cast(pl.Float64).alias("order"),
        *(pl.col(name).filter(scored).sum() for name in ("numerator", "denominator")),
        pl.len().cast(pl.Int64).alias("n"),
        scored.sum().cast(pl.Int64).alias("scored"),
        pl.col("status").is_in(["failed", "withdrawn"]).sum().cast(pl.Int64).alias("failed"),
        binary.filter(scored).all().alias("binary"),
    )
    return _Part(token, sums, _KNOWN.validate_json(known))


def _summed(parts: list[_Part]) -> list[MetricSoFar]:
    if not parts:
        return []
    known = {each.metric: each for part in parts for each in part.known}
    table = (
        pl.concat([part.sums for part in parts])
        .group_by("metric", "document")
        .agg(
            pl.col("order").min(),
            *(pl.col(name).sum() for name in ("numerator", "denominator", "n", "scored", "failed")),
            pl.col("binary").all(),
        )
        .sort("metric", "order")
    )
    found = {name: rows for (name,), rows in table.partition_by("metric", as_dict=True).items()}
    return [_metric(each, found[name]) for name, each in known.items() if name in found]


def _metric(known: KnownMetric, rows: pl.DataFrame) -> MetricSoFar:
    counts = {name: int(rows[column].sum()) for name, column in _COUNTS.items()}
    about = {"metric": known.metric, "higher_is_better": known.higher_is_better, "composite": known.composite}
    scored = rows.filter(pl.col("scored") > 0)
    if known.composite or scored.is_empty():
        return MetricSoFar(**about, **counts, value=None, ci_low=None, ci_high=None)
    clusters = scored.select("order", "numerator", "denominator").to_numpy()
    value = float(ratio(clusters[:, 1:].sum(axis=0, keepdims=True))[0])
    group = Clusters(value)
    group.add(clusters, counts["n_scored"], bool(scored["binary"].all()))
    interval = group.interval(seed_of("interval", "general", "all"))
    low, high = interval if interval is not None else (None, None)
    return MetricSoFar(**about, **counts, value=value, ci_low=low, ci_high=high)


_COUNTS = {"n": "n", "n_scored": "scored", "n_failed": "failed"}
