"""Takes the event stream into the database, batch by batch, and makes the database anew where it has to be."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import structlog
from nats.aio.msg import Msg
from sqlalchemy import delete
from sqlalchemy.orm import Session

from vhb_api.db.database import Database
from vhb_api.db.tables import PROJECTION, FactRow
from vhb_api.projection.recorded import Recorded, recorded
from vhb_api.projection.stored import StoredJobs
from vhb_api.projection.write import apply
from vhb_api.webhooks.outbox import Outbox
from vhb_shared.bus.batches import BATCH, BatchPuller
from vhb_shared.bus.client import Bus
from vhb_shared.bus.history import stored
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.events import JobAccepted, JobRejected
from vhb_shared.contracts.plan import Plan
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

STREAM = "stream"
"""The fact that says which stream the rows are of: when that was made."""


class Projector:
    """The one who writes the projection's tables.

    Args:
        bus: the connection.
        database: migrated.
        jobs: jobs as object storage and the buckets hold them.
        on_written: told, in the event loop, of each batch that was committed.
    """

    def __init__(
        self,
        bus: Bus,
        database: Database,
        jobs: StoredJobs,
        on_written: Callable[[Sequence[Recorded]], None] = lambda batch: None,
    ) -> None:
        self._bus = bus
        self._database = database
        self._jobs = jobs
        self._on_written = on_written

    def pulling(self) -> BatchPuller:
        """`async with`: takes events in as they come."""
        puller = BatchPuller(self._bus, topology.API_EVENTS, lambda messages: self._take(puller, messages))
        return puller

    async def _take(self, puller: BatchPuller, messages: Sequence[Msg]) -> None:
        batch: list[Recorded] = []
        for message in messages:
            try:
                one = read(message, message.metadata.sequence.stream)
            except ValueError as error:
                await puller.give_up(message, f"not an event: {str(error).splitlines()[0]}")
                continue
            if one is not None:
                batch.append(one)
        plans = await self._plans(batch)
        await asyncio.to_thread(self._write, batch, plans)
        self._on_written(batch)

    def _write(self, batch: Sequence[Recorded], plans: dict[str, Plan]) -> None:
        with self._database.writing() as session:
            _take_in(session, Outbox(session), batch, plans)

    async def _plans(self, batch: Sequence[Recorded]) -> dict[str, Plan]:
        wanted = {one.event.job_id for one in batch if isinstance(one.event, JobAccepted)}
        found = {job_id: await self._jobs.plan(job_id) for job_id in sorted(wanted)}
        return {job_id: plan for job_id, plan in found.items() if plan is not None}

    async def ensure_current(self) -> None:
        """Makes the database anew where it is empty, or of another bus: what its durable has passed does not come
        again."""
        stream = await self._stream()
        if await asyncio.to_thread(self._fact) != stream:
            await self.rebuild()

    async def rebuild(self) -> int:
        """Makes all rows anew, in one transaction: from the stream, and from storage for jobs whose events are gone.

        Returns:
            How many events were read.

        Raises:
            Unavailable: bus, storage or database do not answer; nothing has changed then.
        """
        stream = await self._stream()
        writing = self._database.writing()
        session = await asyncio.to_thread(writing.__enter__)
        error: BaseException | None = None
        try:
            count = await self._refill(session)
            session.add(FactRow(name=STREAM, value=stream))
        except BaseException as raised:
            error = raised
            raise
        finally:
            # On its own thread's word: commits without an error, rolls back with one.
            await asyncio.shield(asyncio.to_thread(_leave, writing, error))
        log.info("database_rebuilt", events=count)
        return count

    async def _refill(self, session: Session) -> int:
        outbox = await asyncio.to_thread(Outbox.of_rebuild, session)
        await asyncio.to_thread(_empty, session)
        count = 0
        batch: list[Recorded] = []
        planned: set[str] = set()

        async def flush() -> None:
            plans = await self._plans(batch)
            planned.update(one.event.job_id for one in batch if isinstance(one.event, JobAccepted | JobRejected))
            await asyncio.to_thread(_take_in, session, outbox, tuple(batch), plans)
            batch.clear()

        async for seq, message in stored(self._bus.nc, topology.EVENTS, subjects.ALL_EVENTS):
            count += 1
            try:
                one = read(message, seq)
            except ValueError as error:
                log.warning("event_left_out", seq=seq, reason=str(error).splitlines()[0])
                continue
            if one is not None:
                batch.append(one)
            if len(batch) >= BATCH:
                await flush()
        await flush()
        async for job_id, plan, events in self._jobs.older_than_the_stream(planned):
            await asyncio.to_thread(apply, session, events, {job_id: plan} if plan is not None else {})
        await asyncio.to_thread(outbox.close)
        return count

    def _fact(self) -> str | None:
        with self._database.reading() as session:
            row = session.get(FactRow, STREAM)
            return row.value if row is not None else None

    async def _stream(self) -> str:
        """When the stream was made: what tells it from another one."""
        try:
            answer = await self._bus.nc.request(f"$JS.API.STREAM.INFO.{topology.EVENTS}", b"", timeout=5)
            return str(json.loads(answer.data)["created"])
        except (KeyError, ValueError, OSError, TimeoutError) as error:
            raise Unavailable(f"stream {topology.EVENTS} is not answered for") from error


def read(message: Msg, seq: int) -> Recorded | None:
    """A message of the event stream; None when it is of a kind that this version does not know.

    Raises:
        ValueError: it is not what it says it is.
    """
    what = message.subject.split(".", 3)[3]
    return recorded(seq, message.headers or {}, what, message.data)


def _take_in(session: Session, outbox: Outbox, batch: Sequence[Recorded], plans: Mapping[str, Plan]) -> None:
    fresh = outbox.fresh(batch)
    apply(session, batch, plans)
    outbox.write(fresh)


def _empty(session: Session) -> None:
    for table in PROJECTION:
        session.execute(delete(table))
    session.expire_all()


def _leave(writing: AbstractContextManager[Session], error: BaseException | None) -> None:
    writing.__exit__(type(error) if error is not None else None, error, error.__traceback__ if error else None)
