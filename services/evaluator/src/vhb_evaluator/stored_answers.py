"""A run's answers in object storage, given piece by piece to whoever scores them or looks at them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import polars as pl
import structlog

from vhb_evaluator.collection import ImportedAnswers, Missing
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.evaluation import StoredShard
from vhb_evaluator.local_files import LocalFiles
from vhb_evaluator.metrics.registry import BoundMetric
from vhb_evaluator.parts import as_part
from vhb_evaluator.threads import threaded
from vhb_shared.contracts.events import RunInferenceCompleted, RunInferenceFailed
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import RunState
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import Damaged

InferenceEnded = RunInferenceCompleted | RunInferenceFailed

log = structlog.get_logger()

_WINDOW_SAMPLES = 512
_WINDOW_SHARDS = 16
"""Shards fetched at once: hides the storage's latency and bounds what is held."""
_IMPORT_ROWS = 8192


class TakesAnswers(Protocol):
    """Whoever goes through all answers of a run, in order. Blocks."""

    def add_shards(self, shards: Sequence[StoredShard]) -> list[tuple[int, pl.DataFrame]]:
        """Takes in the next shards; returns shard and scores where they are to be kept."""
        ...

    def add_imported(self, imported: ImportedAnswers, offset: int, count: int) -> None:
        """Takes in the next samples with answers made elsewhere."""
        ...


class StoredAnswers:
    """Reads what is stored of runs.

    Args:
        store: where scores are kept.
        cache: where inputs are read from.
        load_run_state: gives the current state of a run by its id.
    """

    def __init__(
        self, store: ObjectStore, cache: LocalFiles, load_run_state: Callable[[str], Awaitable[RunState]]
    ) -> None:
        self._store = store
        self._cache = cache
        self._load_run_state = load_run_state

    async def input(self, key: str) -> Path:
        """A file that must be there.

        Raises:
            EvaluationFailed: it is missing or damaged.
            Unavailable: the storage does not answer.
        """
        try:
            return await self._cache.path(key)
        except NotFound as error:
            raise EvaluationFailed(f"{key} is missing from the storage; run the job again: vhb retry") from error
        except Damaged as error:
            raise EvaluationFailed(str(error)) from error

    async def optional(self, key: str) -> Path | None:
        """A file that may be missing."""
        try:
            return await self._cache.path(key)
        except NotFound:
            return None

    async def go_through(
        self,
        run: RunSpec,
        event: InferenceEnded,
        taker: TakesAnswers,
        *,
        metrics: Sequence[BoundMetric] = (),
        told: bool = True,
    ) -> None:
        """Gives all answers of a run to `taker`, in the order of its samples.

        Args:
            run: whose.
            event: what says that they are complete.
            taker: who wants them.
            metrics: whose stored scores are wanted too, and stored where they have to be computed.
            told: whether answers that belong to no sample are mentioned in the log.

        Raises:
            EvaluationFailed: answers are missing or cannot be read, or the taker failed.
            Unavailable: the storage does not answer.
        """
        if run.answers_key is not None:
            await self._take_imported(run, run.answers_key, taker, told=told)
        else:
            await self._take_shards(run, event, taker, metrics)

    async def _take_imported(self, run: RunSpec, key: str, taker: TakesAnswers, *, told: bool) -> None:
        imported = ImportedAnswers(await self.input(key))
        for offset in range(0, run.samples, _IMPORT_ROWS):
            count = min(_IMPORT_ROWS, run.samples - offset)
            await threaded(taker.add_imported, imported, offset, count)
        ignored = await threaded(imported.unmatched) if told else 0
        if ignored:
            log.warning("imported answers of other samples were left out", run_id=run.run_id, rows=ignored)

    async def _take_shards(
        self, run: RunSpec, event: InferenceEnded, taker: TakesAnswers, metrics: Sequence[BoundMetric]
    ) -> None:
        state = await self._load_run_state(run.run_id)
        run_id = run.run_id
        # A retry that was given up leaves what the round before it had answered.
        tokens = {**state.keep, **state.committed}
        step = max(1, min(_WINDOW_SHARDS, _WINDOW_SAMPLES // run.shard_size))
        for first in range(0, run.shards, step):
            shards = range(first, min(first + step, run.shards))
            parts, scores = await asyncio.gather(
                asyncio.gather(*(self._part(run_id, shard, tokens.get(shard)) for shard in shards)),
                asyncio.gather(*(self._scores(run_id, shard, tokens.get(shard), bool(metrics)) for shard in shards)),
            )
            reasons = [_missing(state, event, shard) for shard in shards]
            work = [StoredShard(*each) for each in zip(shards, parts, scores, reasons, strict=True)]
            computed = await threaded(_add_shards, taker, work, metrics)
            await asyncio.gather(
                *(
                    self._store.put(layout.scores_part(run.run_id, shard, tokens[shard]), data)
                    for shard, data in computed
                )
            )

    async def _part(self, run_id: str, shard: int, token: str | None) -> Path | None:
        return await self.input(layout.answers_part(run_id, shard, token)) if token is not None else None

    async def _scores(self, run_id: str, shard: int, token: str | None, scored: bool) -> Path | None:
        return await self.optional(layout.scores_part(run_id, shard, token)) if scored and token is not None else None


def _missing(state: RunState, event: InferenceEnded, shard: int) -> Missing:
    """Why a sample of the shard has no answer."""
    if shard in state.left_out:
        return Missing("withdrawn", "cancelled before it was asked, and left out of the retry")
    if state.cancel_requested or state.status == "cancelled":
        return Missing("withdrawn", "cancelled before it was answered")
    failure = event.failure if isinstance(event, RunInferenceFailed) else state.failure
    return Missing("failed", failure.message if failure is not None else "no answer was stored")


def _add_shards(
    taker: TakesAnswers, work: list[StoredShard], metrics: Sequence[BoundMetric]
) -> list[tuple[int, bytes]]:
    """Takes in shards; returns the scores that had to be computed, as parquet."""
    return [(shard, as_part(table, metrics)) for shard, table in taker.add_shards(work)]
