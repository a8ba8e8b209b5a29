"""When a backend needs more work, and no sooner."""

from __future__ import annotations

import asyncio

import pytest

from vhb_inference_agent.runner.adaptive import AdaptiveLimit
from vhb_inference_agent.runner.backlog import Backlog
from vhb_inference_agent.runner.in_flight import Owner
from vhb_inference_agent.runner.pause import Pause
from vhb_inference_agent.runner.slots import Slots
from vhb_shared.contracts.live import Live


async def emit(message: Live) -> None:
    pass


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slots(clock: Clock) -> Slots:
    return Slots(AdaptiveLimit(4, clock=clock), Pause(emit, "agent"))


async def in_flight(slots: Slots, count: int) -> None:
    line = slots.line(Owner("job", "run"))
    for _ in range(count):
        slot = line.slot()
        await slot.__aenter__()
        await slot.take()


def answered(slots: Slots, clock: Clock, count: int, every_s: float) -> None:
    for _ in range(count):
        clock.now += every_s
        slots.answered(4 * every_s, 1.0)


async def test_with_nothing_in_hand_it_is_hungry_and_with_enough_it_is_not(slots: Slots) -> None:
    backlog = Backlog(slots)
    assert backlog.hungry
    with backlog.shard(64) as shard:
        assert not backlog.hungry and backlog.taken == 1
        shard.unasked = 3
        assert backlog.hungry, "a place is free and nothing to fill it"
        await in_flight(slots, 4)
        assert not backlog.hungry
        shard.unasked = 0
        assert backlog.hungry
    assert backlog.taken == 1, "what was answered since counts"


async def test_a_fast_backend_is_hungry_while_questions_last_less_than_a_second(slots: Slots, clock: Clock) -> None:
    backlog = Backlog(slots)
    await in_flight(slots, 4)
    with backlog.shard(20) as shard:
        assert not backlog.hungry
        answered(slots, clock, 40, 0.02)
        assert slots.control.rate == pytest.approx(50, rel=0.2)
        assert backlog.hungry
        shard.unasked = 60
        assert not backlog.hungry


async def test_a_slow_backend_takes_no_shard_before_a_place_is_nearly_free(slots: Slots, clock: Clock) -> None:
    backlog = Backlog(slots)
    answered(slots, clock, 16, 2.5)
    await in_flight(slots, 4)
    with backlog.shard(0):
        assert not backlog.hungry, "answers take ten seconds: others may have the shard meanwhile"
        clock.now += 9.5
        assert backlog.hungry


async def test_a_straggler_does_not_keep_the_next_shard_away(slots: Slots) -> None:
    backlog = Backlog(slots)
    await in_flight(slots, 1)
    with backlog.shard(1) as straggling:
        straggling.asked()
        async with asyncio.timeout(5):
            await backlog.until_hungry()


async def test_waiting_ends_when_a_question_is_asked(slots: Slots) -> None:
    backlog = Backlog(slots)
    await in_flight(slots, 4)
    with backlog.shard(2) as shard:
        waiting = asyncio.create_task(backlog.until_hungry())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        shard.asked()
        shard.asked()
        async with asyncio.timeout(5):
            await waiting
