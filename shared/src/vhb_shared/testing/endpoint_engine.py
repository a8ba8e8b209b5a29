"""A model of a batching engine for the stand-in: so many requests at once, each slowing the others; the rest queues."""

import asyncio
from collections import deque

from vhb_shared.testing.endpoint_behaviour import Behaviour

_STEPS = 10


class ModelledEngine:
    """Computes the delay of requests the way an engine would.

    Args:
        behaviour: `places`, `half_at` and `delay_ms` count; read anew for each request.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.running = 0
        self.finished = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return sum(not future.done() for future in self._waiting)

    async def compute(self) -> None:
        """Returns when the request would be answered."""
        if self._behaviour.places is None:
            await asyncio.sleep(self._behaviour.delay_ms / 1000)
            return
        await self._admitted()
        try:
            for _ in range(_STEPS):
                half = self._behaviour.half_at
                slower = 1 + self.running / half if half else 1.0
                await asyncio.sleep(self._behaviour.delay_ms / 1000 / _STEPS * slower)
            self.finished += 1
        finally:
            self.running -= 1
            self._admit()

    def exposition(self) -> str:
        """What it says on /metrics, with vLLM's names."""
        places = self._behaviour.places or 1
        return (
            f"vllm:num_requests_running {self.running}\n"
            f"vllm:num_requests_waiting {self.waiting}\n"
            f"vllm:kv_cache_usage_perc {self.running / (2 * places)}\n"
            f"vllm:request_success_total {self.finished}\n"
        )

    async def _admitted(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.running -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self.running < (self._behaviour.places or 0):
            future = self._waiting.popleft()
            if not future.done():
                self.running += 1
                future.set_result(None)
