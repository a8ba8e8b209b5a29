"""Moves messages that reached their last delivery to the dead letters.

The server leaves them in the work queue, where nobody would see them again; its advisory says which one it was.
"""

import structlog
from nats.js.errors import NotFoundError

from vhb_shared.bus.client import Bus
from vhb_shared.contracts import topology
from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.topology import Consumer

log = structlog.get_logger(__name__)


class Advisory(WireModel):
    """The part of the server's MAX_DELIVERIES advisory that matters."""

    stream: str
    consumer: str
    stream_seq: int
    deliveries: int


class DeadLetterMover:
    """Handles advisories."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def move(self, advisory: Advisory) -> None:
        """Copies the message to the dead letters and takes it off a work queue."""
        try:
            message = await self._bus.js.get_msg(advisory.stream, advisory.stream_seq)
        except NotFoundError:
            return
        consumer = Consumer(stream=advisory.stream, durable=advisory.consumer, subject=message.subject or "")
        reason = f"delivered {advisory.deliveries} times without an acknowledgement"
        message_id = (message.headers or {}).get("Nats-Msg-Id") or str(advisory.stream_seq)
        await self._bus.dead_letter(consumer, message.data or b"", reason, message_id, message.subject or "")
        if advisory.stream == topology.WORK:
            await self._bus.js.delete_msg(advisory.stream, advisory.stream_seq)
        log.error("message_given_up", stream=advisory.stream, consumer=advisory.consumer, reason=reason)
