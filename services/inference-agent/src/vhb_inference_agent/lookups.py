"""Completes what earlier runs have answered already, before a backend is wanted: any agent can, on a host without GPU.

It stops at the first shards that hold something to ask: from there on a backend is needed anyway, and whoever serves it
looks answers up as well. So a run with nothing new ends without a backend, and a new one hardly waits.
"""

import asyncio
import time

import structlog

from vhb_inference_agent.runner.parts import completed, encode_part
from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_shared.asking.questions import run_files, shard_questions
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import InferShard, ReuseAnswers
from vhb_shared.contracts.events import RunAnswersReused, RunShardCompleted
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import RunState
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies, ObjectStore

log = structlog.get_logger(__name__)

SHARDS_AT_ONCE = 8
COMMIT_POLL_S = 0.1


class LookupHandlers:
    """Handles `ReuseAnswers`.

    Args:
        bus: reads the run's state, announces.
        store: where parts are written.
        copies: local copies of objects.
        known: finds answers.
        agent_id: who we are, in events.
    """

    def __init__(self, bus: Bus, store: ObjectStore, copies: LocalCopies, known: KnownAnswers, agent_id: str) -> None:
        self._bus = bus
        self._store = store
        self._copies = copies
        self._known = known
        self._agent_id = agent_id

    async def reuse(self, command: ReuseAnswers) -> None:
        """Completes shards from the first on, as long as all of their answers are known.

        Raises:
            Unavailable: storage or bus do not answer; wait.
        """
        state = await self._wanted(command)
        if state is None:
            return
        try:
            run = RunSpec.model_validate_json(await self._store.get(layout.run_spec(command.run_id)))
        except NotFound:
            await self.give_up(command)
            return
        done: dict[int, int] = {}
        for first in range(0, len(state.to_ask), SHARDS_AT_ONCE):
            window = state.to_ask[first : first + SHARDS_AT_ONCE]
            events = await asyncio.gather(*(self._shard(run, state, shard) for shard in window))
            for event in events:
                if event is not None:
                    await self._bus.publish(event)
                    done[event.shard] = event.counts.total
            if None in events or await self._wanted(command) is None:
                break
        # What is announced below makes the scheduler announce the other shards: it must have counted ours by then.
        now = await self._wanted(command)
        while now is not None and not done.keys() <= now.committed.keys():
            await asyncio.sleep(COMMIT_POLL_S)
            now = await self._wanted(command)
        await self._announce(command, run.name, len(done), sum(done.values()))
        log.info("answers_reused", shards=len(done), samples=sum(done.values()))

    async def give_up(self, command: ReuseAnswers) -> None:
        """Lets the run be asked, whatever is known."""
        await self._announce(command, command.run_id, 0, 0)

    async def _wanted(self, command: ReuseAnswers) -> RunState | None:
        found = await self._bus.jobs.get(subjects.run_key(command.run_id), RunState)
        if found is None:
            return None
        state = found[0]
        return state if state.looking_up and state.round == command.round and state.stage == "inference" else None

    async def _shard(self, run: RunSpec, state: RunState, shard: int) -> RunShardCompleted | None:
        """Stores the part of a shard; None when something of it has to be asked."""
        started = time.monotonic()
        files = await run_files(run, self._copies)
        questions = await asyncio.to_thread(shard_questions, files, run, shard)
        answers = await self._known.to(run, state.round, questions)
        if len(answers) < len(questions):
            return None
        part = await asyncio.to_thread(encode_part, answers.values())
        await self._store.put(layout.answers_part(run.run_id, shard, part.token), part.data)
        work = InferShard(
            job_id=run.job_id,
            run_id=run.run_id,
            backend_id=run.backend_id,
            shard=shard,
            attempt=state.attempts.get(shard, 0),
        )
        seconds = time.monotonic() - started
        return completed(run, work, state.round, part, answers.values(), seconds=seconds, agent_id=self._agent_id)

    async def _announce(self, command: ReuseAnswers, name: str, shards: int, samples: int) -> None:
        await self._bus.publish(
            RunAnswersReused(
                job_id=command.job_id,
                run_id=command.run_id,
                name=name,
                round=command.round,
                announcement=command.announcement,
                shards=shards,
                samples=samples,
                agent_id=self._agent_id,
            )
        )
