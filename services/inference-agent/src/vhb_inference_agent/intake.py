"""How a session takes shards off its backend's queue: the next one when the questions in hand are nearly asked."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol

from vhb_shared.bus.client import Bus
from vhb_shared.bus.handling import Handling
from vhb_shared.bus.pulling import Puller
from vhb_shared.contracts import topology
from vhb_shared.contracts.commands import InferShard

MOST = 64
"""Shards in hand at once, however small they are and however many wait for a last answer."""
ARRIVAL_S = 2.0
"""A message taken is in the runner's hands by then, or will not be."""


def shards_at_once(concurrency: int, shard_size: int) -> int:
    """How many shards an agent with so many requests in flight would keep busy with; for planning."""
    return min(max(2, math.ceil(concurrency / shard_size) + 1), MOST)


class Appetite(Protocol):
    """Says when more work is needed; `runner.ShardRunner` in the agent."""

    @property
    def shards_taken(self) -> int:
        """Shards that came in hand until now, those that were answered since included."""
        ...

    async def until_taken(self, count: int) -> None:
        """Returns when so many shards have come in hand."""
        ...

    async def until_hungry(self) -> None:
        """Returns when another shard is needed."""
        ...


class ShardIntake:
    """Takes one backend's shards as they are needed, so that none lies in the hands of a slow agent while others idle.
    `async with`: none is left in hand afterwards.

    Args:
        bus: the connection.
        backend_id: whose shards.
        infer: answers one.
        appetite: when another one is needed.
    """

    def __init__(
        self, bus: Bus, backend_id: str, infer: Callable[[InferShard], Awaitable[None]], appetite: Appetite
    ) -> None:
        self._appetite = appetite
        self._taken = 0
        """Shards that the runner had when the latest message was pulled."""
        consumer = topology.backend_consumer(backend_id)
        self._puller = Puller(bus, consumer, Handling(bus, consumer, InferShard, infer), self._until_wanted)

    async def __aenter__(self) -> "ShardIntake":
        await self._puller.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._puller.__aexit__(kind, error, trace)

    async def _until_wanted(self, latest: asyncio.Task[None] | None) -> None:
        if latest is not None:
            # It counts only when the runner has it: till then nobody knows whether it will do.
            arriving = asyncio.create_task(self._appetite.until_taken(self._taken + 1))
            await asyncio.wait({arriving, latest}, timeout=ARRIVAL_S, return_when=asyncio.FIRST_COMPLETED)
            arriving.cancel()
        await self._appetite.until_hungry()
        self._taken = self._appetite.shards_taken
