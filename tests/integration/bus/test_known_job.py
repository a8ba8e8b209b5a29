"""A job that was handed in a moment ago is known, though its scheduler has not written it down yet."""

import asyncio

import pytest

from vhb_shared.bus.client import Bus
from vhb_shared.bus.knowing import known_job
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import SubmitJob
from vhb_shared.contracts.state import JobState
from vhb_shared.errors import UserError


def state(job_id: str) -> JobState:
    return JobState(job_id=job_id, name=job_id, status="running", submitted_at="2026-01-01T00:00:00+00:00")


async def test_it_is_waited_for_and_others_are_not(bus: Bus) -> None:
    states = StateReader(bus)
    await bus.jobs.create(subjects.job_key("other"), state("other"))
    with pytest.raises(UserError, match=r"There is no job 'othre'.*other"):
        await known_job(states, "othre")
    await bus.command(subjects.SUBMIT, SubmitJob(job_id="mine"), "submit-mine")
    asking = asyncio.create_task(known_job(states, "mine"))
    consumer = topology.SCHEDULER_SUBMIT
    pulling = await bus.js.pull_subscribe_bind(consumer=consumer.durable, stream=consumer.stream)
    (message,) = await pulling.fetch(1, timeout=10)
    await asyncio.sleep(0.3)
    assert not asking.done(), "it was taken, and is not written down yet"
    await bus.jobs.create(subjects.job_key("mine"), state("mine"))
    await message.ack()
    async with asyncio.timeout(10):
        assert (await asking).job_id == "mine"


async def test_a_submission_that_came_to_nothing_is_no_job(bus: Bus) -> None:
    await bus.command(subjects.SUBMIT, SubmitJob(job_id="mine"), "submit-mine")
    asking = asyncio.create_task(known_job(StateReader(bus), "mine"))
    consumer = topology.SCHEDULER_SUBMIT
    pulling = await bus.js.pull_subscribe_bind(consumer=consumer.durable, stream=consumer.stream)
    (message,) = await pulling.fetch(1, timeout=10)
    await message.term()
    async with asyncio.timeout(10):
        with pytest.raises(UserError, match="There is no job 'mine'"):
            await asking
