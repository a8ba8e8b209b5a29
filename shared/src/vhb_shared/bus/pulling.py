"""Pulls messages one at a time, when asked to: for work that is taken only as far as there is room for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import BaseModel

from vhb_shared.bus.client import Bus
from vhb_shared.bus.fetching import Fetcher
from vhb_shared.bus.handling import Handling
from vhb_shared.contracts.topology import Consumer

M = TypeVar("M", bound=BaseModel)


class Puller(Generic[M]):
    """Handles a durable's messages, each in a task of its own: `async with`; all are over or handed back afterwards.

    Args:
        bus: the connection.
        consumer: the durable.
        handling: what is done with each message.
        until_wanted: returns when another message is wanted; told of the handling of the one taken last, None before
            the first.
    """

    def __init__(
        self,
        bus: Bus,
        consumer: Consumer,
        handling: Handling[M],
        until_wanted: Callable[[asyncio.Task[None] | None], Awaitable[None]],
    ) -> None:
        self._bus = bus
        self._consumer = consumer
        self._handling = handling
        self._until_wanted = until_wanted
        self._in_hand: set[asyncio.Task[None]] = set()
        self._fetching: asyncio.Future[list[Msg]] | None = None
        self._pulling: asyncio.Task[None] | None = None
        self._fetcher = Fetcher(bus, consumer)

    async def __aenter__(self) -> "Puller[M]":
        self._pulling = asyncio.create_task(self._pull(), name=f"pull {self._consumer.durable}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pulling is not None
        self._pulling.cancel()
        for task in self._in_hand:
            task.cancel()
        await asyncio.gather(self._pulling, *self._in_hand, return_exceptions=True)
        # The server may be sending a message just now: nobody should have to wait until it is missed.
        for late in await self._fetching if self._fetching is not None else ():
            with suppress(NatsError, OSError):
                await late.nak()
        await self._fetcher.close()

    async def _pull(self) -> None:
        latest: asyncio.Task[None] | None = None
        while True:
            await self._until_wanted(latest)
            self._fetching = asyncio.ensure_future(self._fetcher.fetch(1))
            messages = await asyncio.shield(self._fetching)
            self._fetching = None
            for message in messages:
                latest = asyncio.create_task(self._handling.consume(message))
                self._in_hand.add(latest)
                latest.add_done_callback(self._in_hand.discard)
