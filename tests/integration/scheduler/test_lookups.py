"""Known answers are looked for before a backend is wanted: scheduler and agent's handlers on a real server."""

import asyncio
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_inference_agent.lookups import LookupHandlers
from vhb_inference_agent.runner.parts import encode_part
from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_shared.asking.questions import RunFiles, shard_questions
from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import CancelJob, ReuseAnswers
from vhb_shared.contracts.events import RunAnswersReused, RunShardCompleted
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import Answer
from vhb_shared.contracts.state import BackendDemand, RunState
from vhb_shared.reuse.index import encode_index, part_rows
from vhb_shared.reuse.scope import reuse_scope
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache

COMMAND = ReuseAnswers(job_id="j", run_id="j-0")


class Agent:
    """The agent's handlers of known answers; what they announce goes to the scheduler's."""

    def __init__(self, desk: Any, folder: Path) -> None:
        self.desk = desk
        self.copies = ObjectCache(desk.store, folder)
        self.said: list[Any] = []
        known = KnownAnswers(desk.store, self.copies)
        self.handlers = LookupHandlers(self, desk.store, self.copies, known, "a")  # type: ignore[arg-type]
        self.jobs = desk.bus.jobs
        self._committing: list[asyncio.Task[None]] = []

    async def publish(self, event: Any) -> None:
        """Commits come when the scheduler gets to it, not before the agent goes on."""
        self.said.append(event)
        if isinstance(event, RunShardCompleted):
            self._committing.append(asyncio.create_task(self._commit(event)))
        else:
            assert isinstance(event, RunAnswersReused)
            await self.desk.handlers.answers_reused(event)

    async def _commit(self, event: RunShardCompleted) -> None:
        await asyncio.sleep(0.05)
        await self.desk.handlers.shard_completed(event)

    async def answered_before(self, shards: set[int]) -> None:
        """An earlier run answered some shards of the same questions."""
        await self.desk.submit("before")
        run = RunSpec.model_validate_json(await self.desk.store.get(layout.run_spec("before-0")))
        samples = await self.copies.path(layout.dataset_samples(run.dataset.digest))
        rows = []
        for shard in shards:
            questions = shard_questions(RunFiles(samples), run, shard)
            part = encode_part(
                Answer(index=each.index, id=each.id, model_answer="x", outcome="answered", attempts=1,
                       fingerprint=each.fingerprint, answered_at="2026-01-01T00:00:00+00:00")
                for each in questions
            )  # fmt: skip
            await self.desk.store.put(layout.answers_part("before-0", shard, part.token), part.data)
            rows.append(part_rows(pl.read_parquet(io.BytesIO(part.data)), shard, part.token)[0])
        index = encode_index(reuse_scope(run.model), "before-0", rows, "2026-01-01")
        assert index is not None
        await self.desk.store.put(index.key, index.data)


@pytest.fixture
def agent(desk: Any, tmp_path: Path) -> Agent:
    return Agent(desk, tmp_path / "copies")


async def demanded(desk: Any, run: RunState) -> tuple[str, ...]:
    found = await desk.bus.backends.get(run.backend_id, BackendDemand)
    return tuple(run_id for run_id in found[0].run_ids if run_id == "j-0") if found else ()


async def test_a_run_with_nothing_new_wants_no_backend(desk: Any, agent: Agent) -> None:
    await agent.answered_before({0, 1, 2})
    run = await desk.submit()
    assert run.looking_up and await desk.shards(run) == set() and await demanded(desk, run) == ()
    assert await desk.waiting(subjects.reuse("j-0")) == {"vhb.inference.reuse.j-0"}
    await agent.handlers.reuse(COMMAND)
    state = await desk.run()
    assert (state.stage, state.reused.count, state.counts.answered) == ("evaluation", 6, 6)
    assert await desk.shards(run) == set() and await demanded(desk, run) == ()
    await agent.handlers.reuse(COMMAND)  # delivered again
    assert len([event for event in agent.said if isinstance(event, RunShardCompleted)]) == 3


async def test_the_rest_is_asked_once_what_is_known_is_in(desk: Any, agent: Agent) -> None:
    await agent.answered_before({0, 2})
    run = await desk.submit()
    await agent.handlers.reuse(COMMAND)
    state = await desk.run()
    assert (sorted(state.committed), state.looking_up, state.stage) == ([0, 2], False, "inference")
    assert await desk.shards(run) == {1} and await demanded(desk, run) == ("j-0",)


async def test_nothing_known_of_these_questions(desk: Any, agent: Agent) -> None:
    await agent.answered_before({1})
    run = await desk.submit(reuse=False)
    assert not run.looking_up and await desk.shards(run) == {0, 1, 2}
    assert await desk.waiting(subjects.reuse("j-0")) == set()
    await agent.handlers.reuse(COMMAND)  # nobody asked for it
    assert agent.said == []


async def test_a_lost_lookup_is_announced_again(desk: Any, agent: Agent) -> None:
    await agent.answered_before({0})
    run = await desk.submit()
    await desk.bus.purge_work(subjects.reuse("j-0"))
    await desk.look_twice()
    assert await desk.waiting(subjects.reuse("j-0")) == {"vhb.inference.reuse.j-0"}
    assert await desk.shards(run) == set()
    await agent.handlers.give_up(COMMAND)
    assert await desk.shards(run) == {0, 1, 2}


async def test_a_cancelled_run_is_looked_up_no_more(desk: Any, agent: Agent) -> None:
    await agent.answered_before({0, 1, 2})
    await desk.submit()
    await desk.handlers.cancel(CancelJob(job_id="j"))
    assert await desk.waiting(subjects.reuse("j-0")) == set()
    await agent.handlers.reuse(COMMAND)
    assert agent.said == [] and (await desk.run()).counts.withdrawn == 6
