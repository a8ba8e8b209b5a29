"""What asks the server again and again ends when it is cancelled, at whatever moment."""

import asyncio

from vhb_shared.bus.client import Bus
from vhb_shared.contracts import topology

MOMENTS = 40
"""Turns of the event loop from where the server is asked; its answer comes in one of them."""
ROUNDS = 25


async def test_a_cancellation_is_never_lost(bus: Bus) -> None:
    async def ask() -> None:
        while True:
            first.set()
            await bus.js.consumer_info(topology.EVENTS, topology.API_EVENTS.durable)

    lost = 0
    for moment in [turn for turn in range(MOMENTS) for _ in range(ROUNDS)]:
        first = asyncio.Event()
        task = asyncio.create_task(ask())
        await first.wait()
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        while not (await asyncio.wait({task}, timeout=1))[0]:
            lost += 1
            task.cancel()
    assert lost == 0
