"""Ends later what could not be ended when it was time: an engine out of reach, a provider that does not answer."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from vhb_shared.environments.base import Environment, EnvironmentFailed, EnvironmentHandle

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


class Leftovers:
    """Of one agent; `async with`. What is left when the agent itself ends is ended by its next life."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def __aenter__(self) -> "Leftovers":
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def take(self, environment: Environment, handle: EnvironmentHandle, gone: Callable[[], Awaitable[None]]) -> None:
        """Goes on asking until it has ended.

        Args:
            environment: where it may still run.
            handle: what.
            gone: called once, when it has.
        """
        task = asyncio.create_task(_end(environment, handle, gone), name=f"end {handle.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _end(environment: Environment, handle: EnvironmentHandle, gone: Callable[[], Awaitable[None]]) -> None:
    pause = FIRST_PAUSE_S
    while True:
        await asyncio.sleep(pause)
        try:
            await environment.stop(handle)
            break
        except EnvironmentFailed as error:
            pause = min(LONGEST_PAUSE_S, 2 * pause)
            log.warning("backend_not_ended", handle=handle.id, reason=str(error), next_try_s=pause)
    log.info("backend_ended_late", handle=handle.id)
    await gone()
