"""Pulls a durable's messages in batches: for who writes many at a time down in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from vhb_shared.bus.client import Bus
from vhb_shared.bus.fetching import Fetcher
from vhb_shared.contracts.topology import Consumer
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

BATCH = 256
_PAUSE_S = 0.5
_MOST_PAUSE_S = 10.0


class BatchPuller:
    """`async with`: pulls until the block ends. A batch is acknowledged when `handle` has returned; until then it is
    tried again, with growing pauses. What was handled and not acknowledged comes again: `handle` is idempotent.

    Args:
        bus: the connection.
        consumer: the durable.
        handle: takes messages in the order of the stream. It gives up on a single message by itself (see `give_up`).
    """

    def __init__(self, bus: Bus, consumer: Consumer, handle: Callable[[Sequence[Msg]], Awaitable[None]]) -> None:
        self._bus = bus
        self._consumer = consumer
        self._handle = handle
        self._pulling: asyncio.Task[None] | None = None
        self._fetcher = Fetcher(bus, consumer)

    async def __aenter__(self) -> "BatchPuller":
        self._pulling = asyncio.create_task(self._pull(), name=f"pull {self._consumer.durable}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pulling is not None
        self._pulling.cancel()
        await asyncio.gather(self._pulling, return_exceptions=True)
        await self._fetcher.close()

    async def give_up(self, message: Msg, reason: str) -> None:
        """Puts a message that cannot be understood to the dead letters.

        Raises:
            Unavailable: the server did not take it.
        """
        log.error("message_refused", consumer=self._consumer.durable, reason=reason)
        message_id = (message.headers or {}).get("Nats-Msg-Id") or str(message.metadata.sequence.stream)
        await self._bus.dead_letter(self._consumer, message.data, reason, message_id, message.subject)

    async def _pull(self) -> None:
        while True:
            batch = await self._fetcher.fetch(BATCH)
            if not batch:
                continue
            beat = asyncio.create_task(self._beat(batch))
            try:
                await self._until_handled(batch)
            except asyncio.CancelledError:
                # Shutting down: handed back at once.
                for message in batch:
                    with suppress(NatsError, OSError):
                        await message.nak()
                raise
            finally:
                beat.cancel()
            for message in batch:
                with suppress(NatsError, OSError):
                    await message.ack()

    async def _until_handled(self, batch: Sequence[Msg]) -> None:
        pause = _PAUSE_S
        while True:
            try:
                return await self._handle(batch)
            except Unavailable as error:
                log.warning("waiting", consumer=self._consumer.durable, reason=str(error))
            except Exception:
                # Nothing else reads this durable, and a later batch may rest on this one: it is tried for ever.
                log.exception("batch_failed", consumer=self._consumer.durable, messages=len(batch))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MOST_PAUSE_S)

    async def _beat(self, batch: Sequence[Msg]) -> None:
        while True:
            await asyncio.sleep(self._consumer.ack_wait_s / 3)
            for message in batch:
                with suppress(NatsError, OSError):
                    await message.in_progress()
