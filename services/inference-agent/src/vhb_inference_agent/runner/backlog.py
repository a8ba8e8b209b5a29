"""What is in hand and not asked yet: says when a backend needs more work, and no sooner.

A shard taken early is a shard that no other agent can answer meanwhile; one taken late leaves the engine idle.
"""

import asyncio
from types import TracebackType

from vhb_inference_agent.runner.slots import Slots

AHEAD_S = 1.0
"""Another shard is taken when the questions in hand are asked so soon: time to fetch it and to read its images."""
_LOOK_S = 0.1


class Backlog:
    """Questions in hand, of all shards of a backend.

    Args:
        slots: the requests in flight.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._changed = asyncio.Event()
        self._shards: set[ShardBacklog] = set()
        self.taken = 0
        """Shards that ever came in hand."""

    @property
    def hungry(self) -> bool:
        """Whether the questions in hand will be asked sooner than others could be had."""
        unasked = sum(shard.unasked for shard in self._shards)
        control = self._slots.control
        over = unasked - max(0, control.limit - self._slots.in_flight)
        if over < 0:
            return True
        if over == 0 and self._slots.next_in_s < AHEAD_S:
            return True
        return over + 1 <= control.rate * AHEAD_S

    async def until_hungry(self) -> None:
        """Returns when more work is needed."""
        while not self.hungry:
            self._changed.clear()
            try:
                async with asyncio.timeout(_LOOK_S):  # the rate changes too
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def until_taken(self, count: int) -> None:
        """Returns when so many shards have come in hand."""
        while self.taken < count:
            self._changed.clear()
            await self._changed.wait()

    def shard(self, questions: int) -> "ShardBacklog":
        """A shard comes in hand: `with backlog.shard(64) as shard`."""
        return ShardBacklog(self, questions)

    def add(self, shard: "ShardBacklog") -> None:
        """It is in hand from now on."""
        self._shards.add(shard)
        self.taken += 1
        self._changed.set()

    def discard(self, shard: "ShardBacklog") -> None:
        """It is not."""
        self._shards.discard(shard)
        self._changed.set()

    def asked(self) -> None:
        """One question fewer."""
        self._changed.set()


class ShardBacklog:
    """Questions of one shard that are not asked yet."""

    def __init__(self, backlog: Backlog, unasked: int) -> None:
        self._backlog = backlog
        self.unasked = unasked
        """Until its questions are read, the most there may be."""

    def __enter__(self) -> "ShardBacklog":
        self._backlog.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backlog.discard(self)

    def asked(self) -> None:
        """One of them is asked."""
        self.unasked -= 1
        self._backlog.asked()
