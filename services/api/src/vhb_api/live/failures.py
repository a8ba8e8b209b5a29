"""Why samples of a run failed: reasons out of the answers of its first shards with failures."""

import asyncio
import io
from collections.abc import Sequence

import polars as pl
from pydantic import BaseModel

from vhb_api.db.watching import ShardDone
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

MOST_PARTS = 6
MOST_REASONS = 20
MOST_BYTES = 32 << 20
REASON_CHARACTERS = 500
_COLUMNS = ["id", "outcome", "error"]


class FailureReason(BaseModel):
    """What several samples failed of."""

    reason: str
    """As the model's server, or the agent, said it: untrusted text."""
    samples: int
    """Among those that were looked at."""
    example: str
    """The id of one of them."""


class Failures(BaseModel):
    """A sample of the reasons."""

    failed: int
    """Samples of the run that failed so far."""
    looked_at: int
    """Of these, whose reasons are counted below."""
    reasons: list[FailureReason]
    """The most frequent ones, 20 at most."""


async def failures_of(store: ObjectStore, run_id: str, done: Sequence[ShardDone]) -> Failures:
    """The reasons of some of a run's failures.

    Raises:
        Unavailable: the storage does not answer.
    """
    failed = [one for one in done if one.failed]
    tables = await asyncio.gather(*(_read(store, run_id, one) for one in failed[:MOST_PARTS]))
    found = [table for table in tables if table is not None]
    total = sum(one.failed for one in failed)
    if not found:
        return Failures(failed=total, looked_at=0, reasons=[])
    return await asyncio.to_thread(_counted, pl.concat(found), total)


async def _read(store: ObjectStore, run_id: str, one: ShardDone) -> pl.DataFrame | None:
    try:
        data = await store.get(layout.answers_part(run_id, one.shard, one.token))
        if len(data) > MOST_BYTES:
            return None
        return await asyncio.to_thread(_failed, data)
    except (NotFound, pl.exceptions.PolarsError):
        return None  # gone, or not an agent's: results say what there is


def _failed(data: bytes) -> pl.DataFrame:
    rows = pl.read_parquet(io.BytesIO(data), columns=_COLUMNS).filter(pl.col("outcome") == "failed")
    return rows.select(pl.col("id").cast(pl.String), pl.col("error").cast(pl.String).fill_null(""))


def _counted(rows: pl.DataFrame, total: int) -> Failures:
    by_reason = (
        rows.with_columns(pl.col("error").str.head(REASON_CHARACTERS).alias("reason"))
        .group_by("reason")
        .agg(pl.len().alias("samples"), pl.col("id").first().alias("example"))
        .sort(pl.col("samples"), pl.col("reason"), descending=[True, False])
    )
    reasons = [FailureReason(**row) for row in by_reason.head(MOST_REASONS).iter_rows(named=True)]
    return Failures(failed=total, looked_at=rows.height, reasons=reasons)
