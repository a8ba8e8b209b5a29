"""Types of the tables of results, and how they are written: long tables in pieces, so that memory stays flat."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl

from vhb_shared.contracts.results import ANSWER_COLUMNS, METRIC_COLUMNS, SCORE_COLUMNS

_NOT_TEXT: Mapping[str, pl.DataType] = MappingProxyType(
    {
        "index": pl.UInt32(),
        "latency_ms": pl.Float64(),
        "ttft_ms": pl.Float64(),
        "prompt_tokens": pl.Int64(),
        "completion_tokens": pl.Int64(),
        "attempts": pl.Int64(),
        "tpot_ms": pl.Float64(),
        "cached_tokens": pl.Int64(),
        "value": pl.Float64(),
        "numerator": pl.Float64(),
        "denominator": pl.Float64(),
        "worst_numerator": pl.Float64(),
        "worst_denominator": pl.Float64(),
        "best_numerator": pl.Float64(),
        "best_denominator": pl.Float64(),
        "ci_low": pl.Float64(),
        "ci_high": pl.Float64(),
        "n": pl.Int64(),
        "n_scored": pl.Int64(),
        "n_failed": pl.Int64(),
        "value_if_failed_worst": pl.Float64(),
        "value_if_failed_best": pl.Float64(),
    }
)


def schema(columns: Iterable[str]) -> pl.Schema:
    """The Polars schema of result columns; what is not a number is text."""
    return pl.Schema({name: _NOT_TEXT.get(name, pl.String()) for name in columns})


def typed(columns: pl.Schema) -> list[pl.Expr]:
    """Expressions that select and cast the columns of a schema."""
    return [pl.col(name).cast(kind) for name, kind in columns.items()]


ANSWER_SCHEMA = schema(ANSWER_COLUMNS)
SCORE_SCHEMA = schema(SCORE_COLUMNS)
METRIC_SCHEMA = schema(METRIC_COLUMNS)

_ROW_GROUP = 8192


class Spool:
    """A table that grows on disk: what is appended is kept in files of a few thousand rows, in order.

    Used by one thread at a time. Nothing is written before the first append.
    """

    def __init__(self, folder: Path, columns: pl.Schema, *, rows: int = _ROW_GROUP, size: int = 32 << 20) -> None:
        """Args:
        folder: where the files go; made when needed, and the caller's to remove.
        columns: every appended frame has exactly these.
        rows: rows after which a file is written.
        size: bytes (in memory) after which one is written.
        """
        self._folder = folder
        self._schema = columns
        self._rows = rows
        self._size = size
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._waiting_size = 0
        self._files: list[Path] = []

    def append(self, frame: pl.DataFrame) -> None:
        """Adds rows at the end."""
        self._waiting.append(frame.select(self._schema.names()))
        self._waiting_rows += frame.height
        self._waiting_size += int(frame.estimated_size())
        if self._waiting_rows >= self._rows or self._waiting_size >= self._size:
            self._flush()

    def scan(self) -> pl.LazyFrame:
        """The whole table so far."""
        self._flush()
        if not self._files:
            return pl.LazyFrame(schema=self._schema)
        return pl.scan_parquet(self._files)

    def _flush(self) -> None:
        if not self._waiting:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{len(self._files):05d}.parquet"
        pl.concat(self._waiting).write_parquet(path, compression="lz4")
        self._files.append(path)
        self._waiting, self._waiting_rows, self._waiting_size = [], 0, 0


_NO_CACHE = pl.QueryOptFlags(comm_subplan_elim=False)
"""A plan that reads one table twice would otherwise keep all of it in memory in between."""


def write_parquet(table: pl.LazyFrame, path: Path) -> Path:
    """Writes a table as parquet, row by row in its order, without holding all of it."""
    table.sink_parquet(
        path, compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True, optimizations=_NO_CACHE
    )
    return path


def write_csv(table: pl.LazyFrame, path: Path) -> Path:
    """Writes a table as CSV (RFC 4180, UTF-8, header); null is an empty field, an empty text is `""`."""
    table.sink_csv(path, line_terminator="\r\n", quote_style="necessary", maintain_order=True, optimizations=_NO_CACHE)
    return path


def as_parquet(table: pl.DataFrame, about: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A small table as parquet in memory, with what its readers should know of it."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", metadata=dict(about) or None)
    return buffer.getvalue()
