"""The places for requests in flight, shared by all shards that one backend answers."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from types import TracebackType

from vhb_inference_agent.runner.adaptive import AdaptiveLimit
from vhb_inference_agent.runner.failures import RequestFailed
from vhb_inference_agent.runner.in_flight import Owner
from vhb_inference_agent.runner.pause import Pause

_REFUSALS = frozenset({429, 503, 529})
"""Statuses by which an endpoint says that it is asked too much."""


class Places:
    """Places whose number may change: the lowest line goes first, then who came first.

    Args:
        capacity: how many there are now.
    """

    def __init__(self, capacity: Callable[[], int]) -> None:
        self._capacity = capacity
        self.taken = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for one."""
        return any(not future.done() for _, _, future in self._waiting)

    async def take(self, line: int) -> None:
        """Returns with a place taken."""
        if self.taken < self._capacity():
            self.taken += 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (line, next(self._numbers), future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give()  # it was ours already
            raise

    def give(self) -> None:
        """Gives a place back."""
        self.taken -= 1
        self.admit()

    def admit(self) -> None:
        """Hands out what is free; called when there may be more places."""
        while self._waiting and self.taken < self._capacity():
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():  # else its request was cancelled
                self.taken += 1
                future.set_result(None)


class Slots:
    """Lets as many requests be in flight as the limit says, and none start while the work is paused.

    Places go to the shard that came first, and to the next one only as far as it leaves some. With turns for all,
    shards that start together would end together, and the engine would idle while their parts are written.

    Args:
        control: finds the limit, from what it is told here.
        pause: of the work.
    """

    def __init__(self, control: AdaptiveLimit, pause: Pause) -> None:
        self.control = control
        self._pause = pause
        self._flight = Places(lambda: control.limit)
        # Requests are rendered and their images read while they wait for a place, but only a few ahead.
        self._ready = Places(lambda: control.limit + max(2, control.limit // 4))
        self._lines = count()
        self._numbers = count()
        self._started: dict[int, float] = {}
        """Of what is in flight, the oldest first."""

    @property
    def in_flight(self) -> int:
        """Requests in flight now."""
        return self._flight.taken

    @property
    def next_in_s(self) -> float:
        """Seconds until the request that is longest in flight may be expected to end; 0 without any."""
        if not self._started:
            return 0.0
        oldest = next(iter(self._started.values()))
        return max(0.0, oldest + self.control.latency_s - self.control.clock())

    def line(self, owner: Owner) -> "Line":
        """A shard's place among shards."""
        return Line(self, next(self._lines), owner)

    def changed(self) -> None:
        """Hands out places that a new limit allows."""
        self._flight.admit()
        self._ready.admit()

    async def take(self, line: int) -> int:
        """Returns with a place in flight, in a moment when requests may start: its number."""
        while True:
            await self._pause.over()
            await self._flight.take(line)
            wait_s = self.control.wait_s()
            if not self._pause.active and wait_s <= 0:
                self.control.started(self._flight.taken - 1)
                number = next(self._numbers)
                self._started[number] = self.control.clock()
                return number
            self._flight.give()  # paused, or told to wait, while waiting for the place
            if wait_s > 0:
                await asyncio.sleep(wait_s)

    def give(self, number: int) -> None:
        """Gives a place in flight back."""
        del self._started[number]
        self._flight.give()

    async def prepare(self, line: int) -> None:
        """Returns when a request may be rendered."""
        await self._ready.take(line)

    def prepared(self) -> None:
        """A rendered request is done with."""
        self._ready.give()

    def answered(self, latency_s: float, work: float) -> None:
        """Tells the limit of an answer."""
        # Rendered, being rendered, or waiting for the right to be.
        wanted = self._ready.taken > self._flight.taken or self._ready.wanted
        self.control.completed(latency_s, work, in_flight=self._flight.taken - 1, wanted=wanted)
        self.changed()

    def failed(self, failure: RequestFailed, max_wait_s: float) -> None:
        """Tells the limit of a failure. What is permanent says nothing about how busy a backend is.

        Args:
            failure: of one attempt.
            max_wait_s: what its request may wait: nobody is made to wait longer for its sake.
        """
        if failure.status in _REFUSALS:
            wait_s = failure.retry_after_s
            self.control.refused(None if wait_s is None else min(wait_s, max_wait_s))
        elif failure.retryable:
            self.control.failed()


class Line:
    """Where the requests of one shard queue for places."""

    def __init__(self, slots: Slots, number: int, owner: Owner) -> None:
        self._slots = slots
        self._number = number
        self._owner = owner

    def slot(self) -> "Slot":
        """One request's place: `async with line.slot() as slot`, then `await slot.take()` when it is rendered."""
        return Slot(self._slots, self._number, self._owner)


class Slot:
    """A request's right to be rendered, then its place in flight. The right is held until the answer is in the
    checkpoint, so that a kill loses no more than may be rendered; the place goes to the next request with the answer,
    so that the backend does not wait for a disk."""

    def __init__(self, slots: Slots, line: int, owner: Owner) -> None:
        self._slots = slots
        self._line = line
        self.owner = owner
        """Whose request it is for."""
        self._held: int | None = None

    async def __aenter__(self) -> "Slot":
        await self._slots.prepare(self._line)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give()
        self._slots.prepared()

    async def take(self) -> None:
        """Returns with a place in flight."""
        self._held = await self._slots.take(self._line)

    async def wait(self, seconds: float) -> None:
        """Gives the place in flight to others for a while, then takes one again."""
        self._give()
        await asyncio.sleep(seconds)
        await self.take()

    def answered(self, latency_s: float, work: float) -> None:
        """The request was answered, see `AdaptiveLimit.completed`; its place in flight is free."""
        self._slots.answered(latency_s, work)
        self._give()

    def failed(self, failure: RequestFailed, max_wait_s: float) -> None:
        """An attempt failed; see `Slots.failed`."""
        self._slots.failed(failure, max_wait_s)

    def restarted(self) -> None:
        """The attempt broke off because the backend died; it is back."""
        self._slots.control.restarted()

    def _give(self) -> None:
        if self._held is not None:
            number, self._held = self._held, None
            self._slots.give(number)
