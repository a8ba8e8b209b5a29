"""How many shards a session takes at once, and when it takes the next one."""

import asyncio
from typing import cast

import pytest

from vhb_inference_agent.intake import ARRIVAL_S, MOST, ShardIntake, shards_at_once
from vhb_shared.bus.client import Bus
from vhb_shared.contracts.commands import InferShard


@pytest.mark.parametrize(
    ("concurrency", "shard_size", "expected"),
    [(32, 64, 2), (64, 64, 2), (65, 64, 3), (128, 64, 3), (32, 8, 5), (32, 1, 33), (4096, 1, MOST), (1, 1, 2)],
)
def test_enough_for_every_slot_and_one_more(concurrency: int, shard_size: int, expected: int) -> None:
    assert shards_at_once(concurrency, shard_size) == expected


class AlwaysHungry:
    """Wants the next shard as soon as it has the one before."""

    def __init__(self) -> None:
        self.shards_taken = 0
        self._arrived = asyncio.Event()

    def take(self) -> None:
        self.shards_taken += 1
        self._arrived.set()

    async def until_taken(self, count: int) -> None:
        while self.shards_taken < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def until_hungry(self) -> None:
        return None


async def infer(work: InferShard) -> None:
    raise AssertionError("nothing is pulled here")


@pytest.fixture
def appetite() -> AlwaysHungry:
    return AlwaysHungry()


@pytest.fixture
def intake(appetite: AlwaysHungry) -> ShardIntake:
    return ShardIntake(cast(Bus, None), "backend", infer, appetite)


async def test_a_shard_that_came_in_hand_is_not_waited_for_though_others_ended_meanwhile(
    appetite: AlwaysHungry, intake: ShardIntake
) -> None:
    """Quick shards end while the next one arrives: what is in hand then says nothing about what arrived."""
    handling = asyncio.create_task(asyncio.Event().wait())
    await intake._until_wanted(None)
    for _ in range(3):
        appetite.take()
        async with asyncio.timeout(ARRIVAL_S / 2):
            await intake._until_wanted(cast("asyncio.Task[None]", handling))
    handling.cancel()


async def test_a_shard_on_its_way_is_waited_for_until_its_message_is_done_with(
    appetite: AlwaysHungry, intake: ShardIntake
) -> None:
    done = asyncio.Event()
    handling = asyncio.create_task(done.wait())
    await intake._until_wanted(None)
    waiting = asyncio.create_task(intake._until_wanted(cast("asyncio.Task[None]", handling)))
    await asyncio.sleep(0.01)
    assert not waiting.done(), "nobody knows yet whether it will do"
    done.set()
    async with asyncio.timeout(ARRIVAL_S / 2):
        await waiting
