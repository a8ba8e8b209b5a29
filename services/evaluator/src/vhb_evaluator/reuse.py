"""Notes which requests a run answered, so that later runs find the answers instead of asking."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import structlog

from vhb_evaluator.threads import threaded
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.reuse.index import IndexObject, encode_index, part_rows
from vhb_shared.reuse.scope import reuse_scope
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger()

_PARTS_AT_ONCE = 16
_COLUMNS = ("fingerprint", "outcome", "answered_at", "reused_from")


async def note_answers(
    run: RunSpec, tokens: Mapping[int, str], find: Callable[[str], Awaitable[Path | None]], store: ObjectStore
) -> None:
    """Writes the index of a run's answers; done before a metric can fail. A kill in between costs re-use only.

    Args:
        run: whose answers.
        tokens: shard -> token of the part that counts.
        find: gives a local file for a key; None where there is no such object.
        store: where the index goes.

    Raises:
        Unavailable: the storage does not answer.
    """
    parts = sorted(tokens.items())
    index = RunIndex(run)
    for first in range(0, len(parts), _PARTS_AT_ONCE):
        window = parts[first : first + _PARTS_AT_ONCE]
        paths = await asyncio.gather(*(find(layout.answers_part(run.run_id, *each)) for each in window))
        found = [(*each, path) for each, path in zip(window, paths, strict=True) if path is not None]
        await threaded(index.add, found)
    made = await threaded(index.finish)
    if made is not None:
        await store.put(made.key, made.data)


class RunIndex:
    """Gathers the fingerprints of a run's committed parts: 20 bytes an answer. Blocks; used by one thread at a time.

    Args:
        run: whose answers.
    """

    def __init__(self, run: RunSpec) -> None:
        self._run = run
        self._rows: list[pl.DataFrame] = []
        self._latest = ""

    def add(self, parts: Sequence[tuple[int, str, Path]]) -> None:
        """Takes in parts: (shard, token, file). One that cannot be read is left out: evaluation says so."""
        for shard, token, path in parts:
            try:
                found = pl.scan_parquet(path)
                columns = [name for name in _COLUMNS if name in found.collect_schema()]
                rows, latest = part_rows(found.select(columns).collect(), shard, token)
            except (pl.exceptions.PolarsError, FileNotFoundError, ValueError) as error:
                log.warning("part not indexed", run_id=self._run.run_id, shard=shard, error=str(error)[:200])
                continue
            self._rows.append(rows)
            self._latest = max(self._latest, latest)

    def finish(self) -> IndexObject | None:
        """The index; None when there is nothing in it."""
        return encode_index(reuse_scope(self._run.model), self._run.run_id, self._rows, self._latest)
