"""Answers of a shard as a parquet part: the same bytes for the same rows."""

import hashlib
import io
from collections.abc import Iterable
from typing import Any, NamedTuple

import polars as pl

from vhb_shared.contracts.results import ANSWER_COLUMNS, Answer

ANSWER_SCHEMA: dict[str, Any] = {
    "index": pl.UInt32,
    "id": pl.String,
    "model_answer": pl.String,
    "outcome": pl.String,
    "error": pl.String,
    "latency_ms": pl.Float64,
    "ttft_ms": pl.Float64,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "attempts": pl.Int64,
    "finish_reason": pl.String,
    "answered_at": pl.String,
    "replica": pl.String,
    "fingerprint": pl.String,
    "tpot_ms": pl.Float64,
    "started_at": pl.String,
    "cached_tokens": pl.Int64,
}
"""Types of an answers part's columns, in their order."""

_OTHERS = tuple(name for name in ANSWER_COLUMNS if name not in ("index", "id", "outcome"))


class Part(NamedTuple):
    """An answers part, ready to be stored."""

    data: bytes
    sha256: str

    @property
    def token(self) -> str:
        """Names the part: the start of its hash."""
        return self.sha256[:12]


def encode_part(answers: Iterable[Answer]) -> Part:
    """Writes answers, sorted by index, as parquet. Blocks."""
    columns: dict[str, list[Any]] = {name: [] for name in ANSWER_COLUMNS}
    for answer in sorted(answers, key=lambda answer: answer.index):
        for name, values in columns.items():
            values.append(getattr(answer, name))
    frame = pl.DataFrame(columns, schema=ANSWER_SCHEMA)
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True)
    data = buffer.getvalue()
    return Part(data, hashlib.sha256(data).hexdigest())


def decode_part(data: bytes) -> list[Answer]:
    """The answers of a part; columns that it was written without take their defaults. Blocks; an incomplete or
    foreign file raises `polars.exceptions.PolarsError`."""
    frame = pl.read_parquet(io.BytesIO(data))
    known = frame.select("index", "id", "outcome", *(name for name in _OTHERS if name in frame.columns))
    return [Answer(**row) for row in known.iter_rows(named=True)]
