"""`Bus`: what services and the CLI use to publish and to read state."""

import asyncio
from datetime import UTC, datetime

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import BadRequestError, NotFoundError
from pydantic import BaseModel

from vhb_shared.bus.denials import denied
from vhb_shared.bus.kv import Bucket
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.events import Event
from vhb_shared.contracts.live import Live, Notice
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

PUBLISH_TIMEOUT_S = 5.0
NOTICE_EVERY_S = 10.0
PUBLISH_PATIENCE_S = 60.0
"""Longer than a server restart, shorter than the duplicate window: a repeat is swallowed by its id."""


class Bus:
    """Publishing and key-value state over one connection."""

    def __init__(self, nc: Client, source: str) -> None:
        self.nc = nc
        self.js: JetStreamContext = nc.jetstream()
        self._source = source
        self.jobs = Bucket(self.nc, self.js, topology.JOBS_BUCKET)
        self.backends = Bucket(self.nc, self.js, topology.BACKENDS_BUCKET)
        self.claims = Bucket(self.nc, self.js, topology.CLAIMS_BUCKET)
        self.agents = Bucket(self.nc, self.js, topology.AGENTS_BUCKET)

    async def publish(self, event: Event) -> None:
        """Announces an event: CloudEvents binary mode, stored before this returns, dropped by the server if it is a
        repeat within the duplicate window.

        Raises:
            Unavailable: the server did not take it within a minute.
            Denied: the credentials do not allow it.
        """
        await self._publish(
            topology.EVENTS,
            subjects.event(event.job_id, event.what),
            event,
            event.id,
            {
                "ce-specversion": "1.0",
                "ce-id": event.id,
                "ce-source": self._source,
                "ce-type": event.type,
                "ce-time": datetime.now(UTC).isoformat(),
                "ce-subject": event.key or event.job_id,
                "content-type": "application/json",
            },
        )

    async def command(self, subject: str, message: BaseModel, message_id: str) -> None:
        """Puts work on the work queue; `message_id` says what it is about, so that a repeat is dropped.

        Raises:
            Unavailable: the server did not take it within a minute.
            Denied: the credentials do not allow it.
        """
        await self._publish(topology.WORK, subject, message, message_id, {"content-type": "application/json"})

    async def dead_letter(
        self, consumer: topology.Consumer, body: bytes, reason: str, message_id: str, subject: str
    ) -> None:
        """Stores a message that was given up on, with the reason and where it came from."""
        headers = {"vhb-reason": _one_line(reason), "vhb-subject": subject, "content-type": "application/json"}
        dlq = subjects.dlq(consumer.stream, consumer.durable)
        await self._send(topology.DLQ, dlq, body, f"dlq:{consumer.durable}:{message_id}", headers)

    async def live(self, message: Live) -> None:
        """Tells whoever watches; may be lost."""
        try:
            await self.nc.publish(subjects.live(message.job_id, message.what), message.model_dump_json().encode())
        except (NatsError, OSError) as error:
            log.debug("live_lost", error=str(error))

    async def waits(self, job_id: str, reason: str) -> None:
        """Tells whoever watches a job that it has to wait, and for what."""
        source = self._source.rpartition("/")[2]
        await self.live(Notice(job_id=job_id, level="warning", source=source, message=f"paused: {reason}"[:500]))

    async def purge_work(self, subject: str) -> None:
        """Removes waiting work under a subject."""
        try:
            await self.js.purge_stream(topology.WORK, subject=subject)
        except (TimeoutError, NatsError, OSError) as error:
            raise Unavailable(f"work under {subject} could not be removed: {error}") from error

    async def _publish(
        self, stream: str, subject: str, message: BaseModel, message_id: str, headers: dict[str, str]
    ) -> None:
        job_id = getattr(message, "job_id", None)
        await self._send(stream, subject, message.model_dump_json().encode(), message_id, headers, job_id)

    async def _send(
        self,
        stream: str,
        subject: str,
        body: bytes,
        message_id: str,
        headers: dict[str, str],
        job_id: str | None = None,
    ) -> None:
        headers = headers | {"Nats-Msg-Id": message_id}
        loop = asyncio.get_running_loop()
        give_up = loop.time() + PUBLISH_PATIENCE_S
        say_at = 0.0
        delay = 0.1
        while True:
            try:
                await self.js.publish(subject, body, stream=stream, timeout=PUBLISH_TIMEOUT_S, headers=dict(headers))
                return
            except (BadRequestError, NotFoundError):
                raise
            except (TimeoutError, NatsError, OSError) as error:
                if isinstance(error, TimeoutError) and (refused := denied(self.nc, subject)):
                    raise refused from None
                if job_id is not None and loop.time() > say_at:
                    say_at = loop.time() + NOTICE_EVERY_S
                    await self.waits(job_id, f"the bus does not store events ({error or type(error).__name__})")
                if loop.time() > give_up:
                    raise Unavailable(f"{subject} could not be published: {error or type(error).__name__}") from error
                log.warning("publish_retried", subject=subject, error=str(error) or type(error).__name__)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)


def _one_line(text: str) -> str:
    """Headers hold one line of visible ASCII."""
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()[:1000]
