"""A cancelled task ends, on Python 3.11 too."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def _wait_for(fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109
    async with asyncio.timeout(timeout):
        return await fut


def deliver_cancellations() -> None:
    """Makes `asyncio.wait_for` of Python 3.11 what it is since 3.12.

    Until then it loses a cancellation that comes in the same turn of the event loop as what it waits for (CPython issue
    86296). nats-py waits with it for every answer of the server: a loop that asks again and again, cancelled at that
    moment, would go on, and who waits for its end would wait for ever.
    """
    if sys.version_info < (3, 12):
        asyncio.wait_for = _wait_for  # type: ignore[assignment]  # noqa: TID251
