"""Fetches messages of a durable, in requests that end by themselves."""

import asyncio
from contextlib import suppress

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from vhb_shared.bus.client import Bus
from vhb_shared.contracts.topology import Consumer

log = structlog.get_logger(__name__)

FETCH_S = 1.0
"""How long one request to the server stays open; stopping takes as long."""
_PAUSE_S = 0.5


class Fetcher:
    """Binds to the durable when something is wanted first.

    Args:
        bus: the connection.
        consumer: the durable.
    """

    def __init__(self, bus: Bus, consumer: Consumer) -> None:
        self._bus = bus
        self._consumer = consumer
        self._subscription: JetStreamContext.PullSubscription | None = None

    async def fetch(self, most: int) -> list[Msg]:
        """Up to so many messages; none where there are none, or the server does not answer."""
        try:
            if self._subscription is None:
                self._subscription = await self._bus.js.pull_subscribe_bind(
                    consumer=self._consumer.durable, stream=self._consumer.stream
                )
            return await self._subscription.fetch(most, timeout=FETCH_S)
        except TimeoutError:
            return []  # nothing there
        except (NatsError, OSError) as error:
            log.debug("pull_waits", consumer=self._consumer.durable, error=str(error) or type(error).__name__)
            await asyncio.sleep(_PAUSE_S)
            return []

    async def close(self) -> None:
        """Lets go of the subscription; the durable stays."""
        if self._subscription is not None:
            with suppress(NatsError, OSError):
                await self._subscription.unsubscribe()
