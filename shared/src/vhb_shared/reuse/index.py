"""The index of answers: which fingerprint was answered in which part. 20 bytes a row in memory and on the wire.

One object for each run, written when its answers are complete; readers merge those of a scope. An index only says
where to look: what is found there is compared with the whole fingerprint. So a damaged, forged or outdated index
costs nothing but asking again.
"""

import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from vhb_shared.store import layout

REUSABLE = ("answered", "empty", "truncated", "refused")
"""Outcomes that are the model's own; what failed is asked again."""
MAX_ROWS = 10_000_000
"""In memory at once; the oldest answers beyond it are asked again."""
_SCHEMA = pl.Schema({"fingerprint": pl.UInt64(), "shard": pl.UInt32(), "token": pl.UInt64()})
_KEY = re.compile(
    r"reuse/[0-9a-f]{16}/(?P<seconds>[0-9]{10})\.(?P<run>[a-z0-9][a-z0-9_-]{0,99})\.(?P<token>[0-9a-f]{12})\.parquet"
)
_HASH = r"^[0-9a-f]{64}$"
_FIRST_64_BITS = (
    pl.col("fingerprint").str.slice(0, 16).str.decode("hex").bin.reinterpret(dtype=pl.UInt64, endianness="big")
)


class Place(NamedTuple):
    """The answers part that should hold an answer."""

    run_id: str
    shard: int
    token: str

    @property
    def key(self) -> str:
        """Of the part, in storage."""
        return layout.answers_part(self.run_id, self.shard, self.token)


class IndexObject(NamedTuple):
    """An index, ready to be stored."""

    key: str
    data: bytes


def part_rows(answers: pl.DataFrame, shard: int, token: str) -> tuple[pl.DataFrame, str]:
    """The index rows of one part, and when its latest answer was complete (ISO 8601, empty without any). Blocks.

    Args:
        answers: columns `fingerprint`, `outcome`, `answered_at`, and `reused_from` where the part has it. Answers that
            were re-used themselves are in the index of the run that got them.
        shard: of the part.
        token: of the part, 12 hexadecimal digits.
    """
    fresh = answers.filter(pl.col("outcome").is_in(REUSABLE) & pl.col("fingerprint").str.contains(_HASH))
    if "reused_from" in answers.columns:
        fresh = fresh.filter(pl.col("reused_from").is_null())
    rows = fresh.select(
        _FIRST_64_BITS,
        pl.lit(shard, dtype=pl.UInt32).alias("shard"),
        pl.lit(int(token, 16), dtype=pl.UInt64).alias("token"),
    )
    return rows, str(fresh["answered_at"].max() or "")


def encode_index(scope: str, run_id: str, rows: Sequence[pl.DataFrame], latest: str) -> IndexObject | None:
    """The index of a run; None when it has nothing to be re-used. The same answers give the same object. Blocks.

    Args:
        scope: see `reuse_scope`.
        run_id: whose answers.
        rows: from `part_rows`.
        latest: when the run's latest answer was complete, ISO 8601.
    """
    table = pl.concat([pl.DataFrame(schema=_SCHEMA), *rows])
    if table.is_empty():
        return None
    buffer = io.BytesIO()
    table.sort(table.columns).write_parquet(buffer, compression="zstd")
    data = buffer.getvalue()
    return IndexObject(layout.reuse_index(scope, _seconds(latest), run_id, _token(data)), data)


def is_index_key(key: str) -> bool:
    """Whether a key is that of an index."""
    return _KEY.fullmatch(key) is not None


def decode_index(key: str, data: bytes) -> pl.DataFrame:
    """The rows of a stored index. Blocks.

    Raises:
        ValueError: it is not what its key says, or no index.
    """
    named = _KEY.fullmatch(key)
    if named is None or named["token"] != _token(data):
        raise ValueError("its content does not match its name")
    try:
        found = pl.scan_parquet(io.BytesIO(data))
        if found.collect_schema() != _SCHEMA:
            raise ValueError("it has other columns than an index")
        return found.head(MAX_ROWS).collect()
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"it cannot be read: {error}") from error


class AnswerIndex:
    """The merged indexes of one scope. Immutable; every method blocks for milliseconds.

    Args:
        indexes: key -> rows, from `decode_index`. Of several answers to one request the latest counts.
    """

    def __init__(self, indexes: Mapping[str, pl.DataFrame]) -> None:
        keys = sorted(indexes, reverse=True)  # keys begin with the time
        self._runs = [_run_id(key) for key in keys]
        tables, room = [pl.DataFrame(schema=_SCHEMA | {"run": pl.UInt32()})], MAX_ROWS
        for number, key in enumerate(keys):
            table = indexes[key].head(max(room, 0))
            room -= table.height
            tables.append(table.with_columns(pl.lit(number, dtype=pl.UInt32).alias("run")))
        merged = pl.concat(tables).sort("fingerprint", "run", "shard", "token")
        self._rows = merged.filter(pl.col("fingerprint").is_first_distinct())
        self._fingerprints = self._rows["fingerprint"].set_sorted()

    def __len__(self) -> int:
        return self._rows.height

    def find(self, fingerprints: Iterable[str]) -> dict[str, Place]:
        """Where answers to some requests should be; those that are not known are left out."""
        asked = [fingerprint for fingerprint in dict.fromkeys(fingerprints) if re.match(_HASH, fingerprint)]
        if not asked or self._rows.is_empty():
            return {}
        wanted = pl.Series([int(fingerprint[:16], 16) for fingerprint in asked], dtype=pl.UInt64)
        rows = self._fingerprints.search_sorted(wanted).clip(0, self._rows.height - 1)
        found = self._rows[rows]
        return {
            fingerprint: Place(self._runs[run], shard, f"{token:012x}")
            for fingerprint, mine, (theirs, shard, token, run) in zip(asked, wanted, found.iter_rows(), strict=True)
            if mine == theirs
        }


def _run_id(key: str) -> str:
    named = _KEY.fullmatch(key)
    if named is None:
        raise ValueError(f"{key} is not the key of an index")
    return named["run"]


def _token(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _seconds(moment: str) -> int:
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    seconds = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    return min(max(seconds, 0), 9_999_999_999)
