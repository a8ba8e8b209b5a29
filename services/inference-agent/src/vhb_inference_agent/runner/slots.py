"""The cap on requests in flight, shared by all shards that one backend answers."""

import asyncio
import heapq
from itertools import count
from types import TracebackType

from vhb_inference_agent.runner.in_flight import Owner
from vhb_inference_agent.runner.pause import Pause


class Slots:
    """Lets at most `concurrency` requests be in flight, and none start while the work is paused.

    Places go to the shard that came first, and to the next one only as far as it leaves some. With turns for all,
    shards that start together would end together, and the engine would idle while their parts are written.
    """

    def __init__(self, concurrency: int, pause: Pause) -> None:
        self.concurrency = concurrency
        self.pause = pause
        self._free = concurrency
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def line(self, owner: Owner) -> "Line":
        """A shard's place among shards."""
        return Line(self, next(self._numbers), owner)

    async def take(self, line: int) -> None:
        """Returns with a place taken; the lowest line goes first, then who came first."""
        while True:
            await self.pause.over()
            await self._take(line)
            if not self.pause.active:
                return
            self.give()  # paused while waiting for the place

    def give(self) -> None:
        """Gives a place back."""
        self._free += 1
        while self._free and self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():  # else its request was cancelled
                self._free -= 1
                future.set_result(None)

    async def _take(self, line: int) -> None:
        if self._free:
            self._free -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (line, next(self._numbers), future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give()  # it was ours already
            raise


class Line:
    """Where the requests of one shard queue for places."""

    def __init__(self, slots: Slots, number: int, owner: Owner) -> None:
        self._slots = slots
        self._number = number
        self._owner = owner

    @property
    def concurrency(self) -> int:
        """Places in all."""
        return self._slots.concurrency

    def slot(self) -> "Slot":
        """One request's place: `async with line.slot() as slot`."""
        return Slot(self._slots, self._number, self._owner)


class Slot:
    """A place in flight. Held until the answer is in the checkpoint, so that a kill loses no more than the cap."""

    def __init__(self, slots: Slots, line: int, owner: Owner) -> None:
        self._slots = slots
        self._line = line
        self.owner = owner
        """Whose request it is for."""
        self._held = False

    async def __aenter__(self) -> "Slot":
        await self._take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give()

    async def wait(self, seconds: float) -> None:
        """Gives the place to others for a while, then takes one again."""
        self._give()
        await asyncio.sleep(seconds)
        await self._take()

    async def _take(self) -> None:
        await self._slots.take(self._line)
        self._held = True

    def _give(self) -> None:
        if self._held:
            self._held = False
            self._slots.give()
