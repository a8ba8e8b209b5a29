"""Long work, done once for all who wait for it, and no longer than somebody waits."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from fastapi import Request

from vhb_shared.computing.process import Bounds, Work, worked
from vhb_shared.errors import VhbError

AT_ONCE = 2
MOST_WAITING = 20
_KEPT = 128
"""Results: some KB each, those with many groups up to a MB."""
_LOOK_S = 0.3


class TooMuch(VhbError):  # noqa: N818 - a condition
    """Too much is being computed already."""


class Gone(VhbError):  # noqa: N818 - a condition
    """Who asked does not wait any more."""


class Working:
    """The work of one process."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._waiting: dict[str, int] = {}
        self._done: OrderedDict[str, Any] = OrderedDict()

    async def done(self, key: str, work: Work, given: Mapping[str, Any], request: Request) -> Any:
        """What came of a piece of work; of its kind only one is done at a time.

        Args:
            key: of everything that the result follows from.
            work: see `worked`.
            given: see `worked`.
            request: whose client waits. When it goes away, and nobody else waits, the work ends.

        Raises:
            TooMuch: come again later.
            Gone: the client went away.
            UserError: see `worked`.
        """
        if key in self._done:
            self._done.move_to_end(key)
            return self._done[key]
        if key not in self._tasks and len(self._tasks) >= MOST_WAITING:
            raise TooMuch
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._work(key, work, given), name=f"{work} {key[:8]}")
            task.add_done_callback(lambda done: self._forget(key, done))
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            return await _while_wanted(task, request.is_disconnected)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                if self._tasks.get(key) is task:
                    del self._tasks[key]
                task.cancel()

    async def _work(self, key: str, work: Work, given: Mapping[str, Any]) -> Any:
        async with self._places:
            result = await worked(work, given, self._bounds)
        self._done[key] = result
        if len(self._done) > _KEPT:
            self._done.popitem(last=False)
        return result

    def _forget(self, key: str, task: asyncio.Task[Any]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            task.exception()  # seen, in case every client went away


async def _while_wanted(task: asyncio.Task[Any], gone: Callable[[], Awaitable[bool]]) -> Any:
    while not task.done():
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await asyncio.shield(task)
        if not task.done() and await gone():
            raise Gone
    return task.result()
