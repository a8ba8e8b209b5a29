"""Telemetry of a run as objects: rows gather in a segment that is written again, whole, until it is full."""

import asyncio
import io
import time
from types import NoneType
from typing import Any, get_args

import polars as pl
import structlog

from vhb_shared.contracts.telemetry import TelemetrySample
from vhb_shared.errors import VhbError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

SEGMENT_ROWS = 600
"""Ten minutes of one session; some 50 KB."""
_KINDS: dict[type, Any] = {int: pl.Int64, float: pl.Float64, str: pl.String}


def _kind(annotation: Any) -> Any:
    kinds = [each for each in get_args(annotation) if each is not NoneType] or [annotation]
    return _KINDS[kinds[0]]


TELEMETRY_SCHEMA: dict[str, Any] = {
    name: _kind(field.annotation) for name, field in TelemetrySample.model_fields.items()
}


class Segments:
    """The telemetry that one session gathers of one run. What could not be written is written with what follows.

    Args:
        store: object storage.
        run_id: of the run.
        session: names the session; unique.
    """

    def __init__(self, store: ObjectStore, run_id: str, session: str) -> None:
        self._store = store
        self._run_id = run_id
        self._session = session
        self._rows: list[TelemetrySample] = []
        self._number = 0
        self._written = 0
        self._writing = asyncio.Lock()
        self._added_at = time.monotonic()

    def add(self, row: TelemetrySample) -> None:
        """Takes a row."""
        self._rows.append(row)
        self._added_at = time.monotonic()

    @property
    def quiet_s(self) -> float:
        """Seconds since the last row."""
        return time.monotonic() - self._added_at

    async def write(self) -> bool:
        """Stores what is not stored yet. False when storage did not take it: it is kept and tried again."""
        async with self._writing:
            rows = list(self._rows)
            if len(rows) == self._written:
                return True
            key = layout.telemetry_segment(self._run_id, f"{self._session}-{self._number:05d}")
            try:
                await self._store.put(key, await asyncio.to_thread(_encoded, rows))
            except (VhbError, OSError) as error:
                log.debug("telemetry_not_written", run_id=self._run_id, error=str(error))
                self._shorten()
                return False
            if len(rows) >= SEGMENT_ROWS:
                self._number += 1
                self._written = 0
                del self._rows[: len(rows)]
            else:
                self._written = len(rows)
            return True

    def _shorten(self) -> None:
        """While storage is away for long, keeps what is stored already out of memory, then drops the oldest."""
        if len(self._rows) <= 2 * SEGMENT_ROWS:
            return
        if self._written:
            self._number += 1
        del self._rows[: self._written or SEGMENT_ROWS]
        self._written = 0


def _encoded(rows: list[TelemetrySample]) -> bytes:
    columns = {name: [getattr(row, name) for row in rows] for name in TELEMETRY_SCHEMA}
    buffer = io.BytesIO()
    pl.DataFrame(columns, schema=TELEMETRY_SCHEMA).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
