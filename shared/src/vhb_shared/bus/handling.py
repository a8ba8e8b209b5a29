"""How a message is handled: one way for every durable consumer.

At least once, with the rules that experiments taught: manual acknowledgement, progress acks while a handler works,
synchronous acks in a retry loop, growing delays, errors counted by the handler (not deliveries), and a dead letter
with the reason in the end.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.annotations import NatsMessage
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import BaseModel, ValidationError

from vhb_shared.bus.client import NOTICE_EVERY_S, Bus
from vhb_shared.contracts.topology import Consumer
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=BaseModel)

MAX_ERRORS = 5
FETCH_S = 2.0
ACK_PATIENCE_S = 30.0
SILENT_ACKS = 3


class _ErrorCounts:
    """Errors per message in this process, bounded."""

    def __init__(self, most: int = 10_000) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._most = most

    def another(self, key: str) -> int:
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count

    def forget(self, key: str) -> None:
        self._counts.pop(key, None)


async def _beat(msg: Msg, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        with suppress(NatsError, OSError):
            await msg.in_progress()


async def _ack(msg: Msg, bus: Bus) -> None:
    """Acknowledges for certain: a plain ack may be lost by a server that dies right after.

    A server that was killed may not remember that it delivered the message: then it answers no ack of it and delivers
    it anew, to a handler that finds the work done. So silence is taken for that after `SILENT_ACKS` tries, while a
    lost connection is waited for.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + ACK_PATIENCE_S
    silent = 0
    while silent < SILENT_ACKS and loop.time() < give_up:
        connected = bus.nc.is_connected
        try:
            await msg.ack_sync()
            return
        except (NatsError, TimeoutError, OSError) as error:
            last = str(error) or type(error).__name__
            silent += connected and bus.nc.is_connected
        await asyncio.sleep(0.2)
    log.warning("ack_lost", error=last)


def _about(message: BaseModel) -> dict[str, Any]:
    """What every log line of its handler says."""
    return {
        name: value for name in ("job_id", "run_id", "shard") if (value := getattr(message, name, None)) is not None
    }


class Handling(Generic[M]):
    """What is done with each message of a durable consumer.

    Args:
        bus: the connection.
        consumer: the durable.
        model: what the message's body is; a body that is not goes to the dead letters.
        handle: idempotent; raises `Unavailable` to wait without any attempt being counted, any other exception to be
            tried again (at most `MAX_ERRORS` times in all).
        give_up: told in the end, to announce a `*.failed` event.
    """

    def __init__(
        self,
        bus: Bus,
        consumer: Consumer,
        model: type[M],
        handle: Callable[[M], Awaitable[None]],
        give_up: Callable[[M, Exception], Awaitable[None]] | None = None,
    ) -> None:
        self._bus = bus
        self._consumer = consumer
        self._model = model
        self._handle = handle
        self._give_up = give_up
        self._errors = _ErrorCounts()

    async def consume(self, msg: Msg) -> None:
        """Handles one message to its acknowledgement; cancelled, hands it back."""
        message_id = (msg.headers or {}).get("Nats-Msg-Id") or str(msg.metadata.sequence.stream)
        beat = asyncio.create_task(_beat(msg, self._consumer.ack_wait_s / 3))
        try:
            try:
                message = self._model.model_validate_json(msg.data)
            except ValidationError as error:
                await self._refuse(msg, message_id, error)
                return
            with structlog.contextvars.bound_contextvars(**_about(message)):
                await self._until_available(message)
            await _ack(msg, self._bus)
            self._errors.forget(message_id)
        except asyncio.CancelledError:
            # Shutting down: hand it back at once instead of letting others wait for the ack wait to pass.
            with suppress(NatsError, OSError):
                await msg.nak()
            raise
        except Exception as error:
            count = self._errors.another(message_id)
            log.exception("handler_failed", consumer=self._consumer.durable, message_id=message_id, count=count)
            if count < MAX_ERRORS:
                await msg.nak(delay=min(0.5 * 2**count, 10))
                return
            # First the record, then the refusal: a terminated message is gone.
            if self._give_up is not None:
                await self._give_up(message, error)
            reason = f"{type(error).__name__}: {error}"
            await self._bus.dead_letter(self._consumer, msg.data, reason, message_id, msg.subject)
            await msg.term()
            self._errors.forget(message_id)
        finally:
            beat.cancel()

    async def _refuse(self, msg: Msg, message_id: str, error: ValidationError) -> None:
        first = error.errors()[0]["msg"]
        reason = f"not a {self._model.__name__}: {error.error_count()} errors, first: {first}"
        log.error("message_refused", consumer=self._consumer.durable, reason=reason)
        await self._bus.dead_letter(self._consumer, msg.data, reason, message_id, msg.subject)
        await msg.term()

    async def _until_available(self, message: M) -> None:
        delay, say_at = 0.5, 0.0
        job_id: str | None = getattr(message, "job_id", None)
        while True:
            try:
                return await self._handle(message)
            except Unavailable as error:
                log.warning("waiting", consumer=self._consumer.durable, reason=str(error))
                now = asyncio.get_running_loop().time()
                if job_id is not None and now > say_at:
                    say_at = now + NOTICE_EVERY_S
                    await self._bus.waits(job_id, str(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


def subscribe(
    broker: NatsBroker,
    bus: Bus,
    consumer: Consumer,
    model: type[M],
    handle: Callable[[M], Awaitable[None]],
    *,
    give_up: Callable[[M, Exception], Awaitable[None]] | None = None,
    workers: int = 1,
) -> None:
    """Subscribes a handler to a durable pull consumer.

    Args:
        model, handle, give_up: see `Handling`.
        workers: handlers at once in this process; each holds at most one message.
    """
    handling = Handling(bus, consumer, model, handle, give_up)

    async def consume(msg: NatsMessage) -> None:
        await handling.consume(msg.raw_message)

    stream = JStream(consumer.stream, declare=False)
    # Not the library's default: the server lets a user listen to replies below its own prefix only.
    inbox = bus.nc.new_inbox().rpartition(".")[0] + "."
    for _ in range(workers):
        subscriber = broker.subscriber(
            consumer.subject,
            durable=consumer.durable,
            stream=stream,
            pull_sub=PullSub(batch_size=1, timeout=FETCH_S),
            ack_policy=AckPolicy.MANUAL,
            inbox_prefix=inbox.encode(),
        )
        subscriber(consume)
