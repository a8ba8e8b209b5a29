"""How a session takes shards off its backend's queue: as many at once as keep the engine busy."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from faststream.nats import NatsBroker

from vhb_shared.bus.client import Bus
from vhb_shared.bus.handling import subscribe
from vhb_shared.contracts import topology
from vhb_shared.contracts.commands import InferShard

MOST = 64
"""Shards in hand at once, however small they are."""


def shards_at_once(concurrency: int, shard_size: int) -> int:
    """Enough samples in hand for every request slot, and one shard more for while a part is being written."""
    return min(max(2, math.ceil(concurrency / shard_size) + 1), MOST)


class ShardIntake:
    """Subscriptions to one backend's durable; each holds one shard at a time. `async with`: none is left afterwards."""

    def __init__(
        self, broker: NatsBroker, bus: Bus, backend_id: str, infer: Callable[[InferShard], Awaitable[None]]
    ) -> None:
        self._broker = broker
        self._bus = bus
        self._consumer = topology.backend_consumer(backend_id)
        self._infer = infer
        self._subscribers: list[Any] = []
        self._growing = asyncio.Lock()

    async def __aenter__(self) -> "ShardIntake":
        await self.widen(2)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(subscriber.stop() for subscriber in self._subscribers))

    async def widen(self, shards: int) -> None:
        """Takes at least so many shards at once from now on."""
        async with self._growing:
            more = shards - len(self._subscribers)
            if more <= 0:
                return
            added = subscribe(
                self._broker, self._bus, self._consumer, InferShard, self._infer, workers=more, persistent=False
            )
            self._subscribers += added
            await asyncio.gather(*(subscriber.start() for subscriber in added))
