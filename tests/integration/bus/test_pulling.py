"""Messages pulled one at a time, when they are wanted."""

import asyncio

import pytest

from vhb_shared.bus.client import Bus
from vhb_shared.bus.handling import Handling
from vhb_shared.bus.pulling import Puller
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import CancelJob
from vhb_shared.testing.nats_server import NatsServer

CONSUMER = topology.SCHEDULER_CANCEL
PATIENCE_S = 30


class Desk:
    """Handles when told to; wants as many in hand as it says."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.begun: list[str] = []
        self.taken = 0
        self.go_on = asyncio.Event()

    async def handle(self, message: CancelJob) -> None:
        self.begun.append(message.job_id)
        await self.go_on.wait()

    async def until_wanted(self, latest: asyncio.Task[None] | None) -> None:
        self.taken += latest is not None
        while self.taken >= self.wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def puller(self, bus: Bus) -> Puller[CancelJob]:
        return Puller(bus, CONSUMER, Handling(bus, CONSUMER, CancelJob, self.handle), self.until_wanted)

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.begun) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.fixture
async def messages(bus: Bus) -> None:
    for number in range(5):
        await bus.command(subjects.CANCEL, CancelJob(job_id=f"job-{number}"), f"cancel-{number}")


async def waiting(bus: Bus) -> tuple[int, int]:
    """Not delivered, delivered and not acknowledged."""
    info = await bus.js.consumer_info(CONSUMER.stream, CONSUMER.durable)
    return info.num_pending or 0, info.num_ack_pending or 0


@pytest.mark.usefixtures("messages")
async def test_nothing_is_taken_that_is_not_wanted(bus: Bus) -> None:
    desk = Desk(wanted=2)
    async with desk.puller(bus):
        await desk.until_begun(2)
        await asyncio.sleep(0.2)
        assert await waiting(bus) == (3, 2)
        desk.wanted = 5
        await desk.until_begun(5)
        desk.go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            while await waiting(bus) != (0, 0):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert sorted(desk.begun) == [f"job-{number}" for number in range(5)]


@pytest.mark.usefixtures("messages")
async def test_what_is_in_hand_is_handed_back_at_once(bus: Bus) -> None:
    first, second = Desk(wanted=3), Desk(wanted=5)
    async with first.puller(bus):
        await first.until_begun(3)
    second.go_on.set()
    async with asyncio.timeout(CONSUMER.ack_wait_s - 5), second.puller(bus):
        await second.until_begun(5)
    assert set(second.begun) == {f"job-{number}" for number in range(5)}


@pytest.mark.usefixtures("messages")
async def test_it_goes_on_after_a_restart_of_the_server(server: NatsServer, bus: Bus) -> None:
    desk = Desk(wanted=1)
    desk.go_on.set()
    async with desk.puller(bus):
        await desk.until_begun(1)
        await server.kill()
        await asyncio.sleep(0.5)
        await server.start()
        desk.wanted = 100
        async with asyncio.timeout(2 * PATIENCE_S):
            while len(set(desk.begun)) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
