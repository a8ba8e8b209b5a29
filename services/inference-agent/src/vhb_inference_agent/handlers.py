"""What an agent does with one shard."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import RunInferenceStarted, RunShardCompleted
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import RunState
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

STATE_POLL_S = 1.0


class Runner(Protocol):
    """What answers a shard; `runner.ShardRunner` in the agent."""

    async def answer(
        self, run: RunSpec, work: InferShard, should_stop: Callable[[], bool], *, round: int = 0
    ) -> RunShardCompleted | None:
        """The completed shard's event, or None when it was stopped."""
        ...

    async def kept(self) -> set[tuple[str, int]]:
        """(run id, shard) of every checkpoint on this host."""
        ...

    async def forget(self, run_id: str, shard: int) -> None:
        """Drops a shard's checkpoint, once it is committed."""
        ...


class ShardHandlers:
    """Handles the shards of one backend session."""

    def __init__(
        self,
        bus: Bus,
        store: ObjectStore,
        runner: Runner,
        agent_id: str,
        on_run: Callable[[RunSpec], Awaitable[None]],
    ) -> None:
        """Args:
        on_run: called once for each run that this session serves.
        """
        self._bus = bus
        self._store = store
        self._runner = runner
        self._agent_id = agent_id
        self._on_run = on_run
        self._runs: dict[str, RunSpec] = {}
        self._in_hand: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._kept: set[tuple[str, int]] | None = None

    async def infer(self, work: InferShard) -> None:
        """Answers a shard, unless it is done already, no longer wanted, or being answered here right now.

        Raises:
            Unavailable: storage or bus do not answer; wait.
            BackendLost: the backend cannot be brought back.
        """
        key = (work.run_id, work.shard)
        if (running := self._in_hand.get(key)) is not None:
            # Delivered again while we work on it (a long outage of the bus): wait for that work to end.
            await asyncio.shield(running)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_hand[key] = done
        try:
            await self._answer(work)
        finally:
            del self._in_hand[key]
            done.set_result(None)

    async def _wanted(self, work: InferShard) -> RunState | None:
        found = await self._bus.jobs.get(subjects.run_key(work.run_id), RunState)
        if found is None:
            return None
        state = found[0]
        stale = work.attempt < state.attempts.get(work.shard, 0)
        if state.stage != "inference" or state.cancel_requested or work.shard in state.committed or stale:
            return None
        return state

    async def _run(self, run_id: str) -> RunSpec | None:
        if run_id not in self._runs:
            try:
                content = await self._store.get(layout.run_spec(run_id))
            except NotFound:
                return None
            self._runs[run_id] = RunSpec.model_validate_json(content)
            await self._on_run(self._runs[run_id])
        return self._runs[run_id]

    async def _answer(self, work: InferShard) -> None:
        state = await self._wanted(work)
        run = await self._run(work.run_id) if state is not None else None
        if state is None or run is None:
            log.info("shard_not_wanted")
            return
        if not state.started:
            await self._bus.publish(
                RunInferenceStarted(
                    job_id=run.job_id,
                    run_id=run.run_id,
                    name=run.name,
                    round=state.round,
                    backend_id=run.backend_id,
                    samples=run.samples,
                    agent_id=self._agent_id,
                )
            )
        stop = asyncio.Event()
        watcher = asyncio.create_task(self._watch_state(work, stop))
        try:
            event = await self._runner.answer(run, work, stop.is_set, round=state.round)
        finally:
            watcher.cancel()
        if event is not None:
            await self._bus.publish(event)
            if self._kept is not None:
                self._kept.add((work.run_id, work.shard))
            log.info("shard_completed", outcomes=event.counts.model_dump(exclude_defaults=True), seconds=event.seconds)

    async def tidy(self) -> None:
        """Drops checkpoints of shards that are committed: ours, and what killed agents left on this host. Those of
        cancelled and failed runs stay for a retry.

        Raises:
            Unavailable: storage or bus do not answer; the checkpoints stay.
        """
        if self._kept is None:
            self._kept = await self._runner.kept()
        for run_id in sorted({run_id for run_id, _ in self._kept}):
            found = await self._bus.jobs.get(subjects.run_key(run_id), RunState)
            if found is None:
                continue
            committed = {(run_id, shard) for shard in found[0].committed}
            for key in (self._kept & committed) - self._in_hand.keys():
                await self._runner.forget(*key)
                self._kept.discard(key)

    async def _watch_state(self, work: InferShard, stop: asyncio.Event) -> None:
        """Stops the shard within a second or two when nobody wants it any more."""
        while True:
            await asyncio.sleep(STATE_POLL_S)
            try:
                wanted = await self._wanted(work)
            except Exception:  # noqa: S112 - not knowing is no reason to stop
                continue
            if wanted is None:
                stop.set()
                return
