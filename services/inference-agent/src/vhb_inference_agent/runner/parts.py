"""Answers of a shard as a parquet part: the same bytes for the same rows."""

import hashlib
import io
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import polars as pl

from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import RunShardCompleted
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import ANSWER_COLUMNS, Answer, OutcomeCounts
from vhb_shared.store import layout

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
    "reused_from": pl.String,
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


def completed(
    run: RunSpec,
    work: InferShard,
    round: int,
    part: Part,
    answers: Collection[Answer],
    *,
    seconds: float,
    agent_id: str,
) -> RunShardCompleted:
    """The event of a shard whose part is stored."""
    return RunShardCompleted(
        job_id=work.job_id,
        run_id=work.run_id,
        name=run.name,
        round=round,
        shard=work.shard,
        attempt=work.attempt,
        token=part.token,
        part_key=layout.answers_part(work.run_id, work.shard, part.token),
        sha256=part.sha256,
        counts=OutcomeCounts.of(answer.outcome for answer in answers),
        reused=sum(answer.reused_from is not None for answer in answers),
        seconds=seconds,
        agent_id=agent_id,
    )


def decode_part(data: bytes) -> list[Answer]:
    """The answers of a part; columns that it was written without take their defaults. Blocks; an incomplete or
    foreign file raises `polars.exceptions.PolarsError`."""
    frame = pl.read_parquet(io.BytesIO(data))
    known = frame.select("index", "id", "outcome", *(name for name in _OTHERS if name in frame.columns))
    return [Answer(**row) for row in known.iter_rows(named=True)]
