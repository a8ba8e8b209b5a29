"""Follows the database and the live messages for all clients of this process.

Clients hold a place in the stream and nothing else: what they have not seen yet is read from a ring of recent events,
or from the database. So nobody's slowness costs memory, or holds another one back, and a client that comes back goes on
where it was. A place is passed only when everything before it is in the database, whichever process wrote it: that is
what the durable's floor of acknowledged messages says.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from vhb_api.db import queries
from vhb_api.db.database import Database
from vhb_api.db.tables import EventRow
from vhb_api.live.board import Board
from vhb_api.live.logs import LogBoard
from vhb_api.live.use import UseBoard
from vhb_api.rest.answers import EventEntry
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.events import RunShardCompleted
from vhb_shared.contracts.live import BackendTelemetry, BackendWarmup, LogLines, Notice, ShardProgress
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

TICK_S = 0.4
"""How often the floor is looked at, and clients are told at most."""
RING = 5000
PAGE = 500
_LIVE: dict[str, type[ShardProgress | BackendTelemetry | BackendWarmup | Notice | LogLines]] = {
    kind.what: kind for kind in (ShardProgress, BackendTelemetry, BackendWarmup, Notice, LogLines)
}


class Happened(NamedTuple):
    """An event as clients are told of it."""

    seq: int
    job_id: str
    what: str
    run_id: str | None
    shard: int | None
    """Which was completed."""
    json: str


class Hub:
    """`async with`: follows until the block ends, then every client's turn ends.

    Args:
        bus: the connection.
        database: what is told.
    """

    def __init__(self, bus: Bus, database: Database) -> None:
        self._bus = bus
        self._database = database
        self._ring: deque[Happened] = deque(maxlen=RING)
        self._ring_from = 0
        """The ring holds all events after this place."""
        self._changed = asyncio.Event()
        self.floor = 0
        """Every event up to here is in the database."""
        self.board = Board()
        self.logs = LogBoard()
        self.use = UseBoard()
        self.closed = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Hub":
        async def heard(message: Msg) -> None:
            kind = _LIVE.get(message.subject.rpartition(".")[2])
            if kind is not None:
                with suppress(ValidationError):
                    self._note(kind.model_validate_json(message.data))

        with suppress(Unavailable, NatsError, TimeoutError, OSError):  # else a moment later
            await self._look()
        self._live = await self._bus.nc.subscribe(subjects.ALL_LIVE, cb=heard)
        self._task = asyncio.create_task(self._follow(), name="live hub")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.closed = True
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with suppress(NatsError, OSError):
            await self._live.unsubscribe()
        self._wake()

    def _note(self, word: ShardProgress | BackendTelemetry | BackendWarmup | Notice | LogLines) -> None:
        if isinstance(word, LogLines):
            self.logs.note(word)
            return
        if isinstance(word, BackendTelemetry):
            self.use.note(word)
        self.board.note(word)

    async def tick(self) -> None:
        """Returns when there may be something new, or the hub closes."""
        if not self.closed:
            await self._changed.wait()

    async def after(self, place: int, limit: int) -> Sequence[Happened]:
        """Events after a place, in order, up to the floor.

        Raises:
            Unavailable: the database does not answer.
        """
        if place >= self._ring_from:
            start = bisect_right(self._ring, place, key=lambda one: one.seq)
            return [self._ring[n] for n in range(start, min(start + limit, len(self._ring)))]
        return await asyncio.to_thread(self._read, place, self.floor, limit)

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except (Unavailable, NatsError, TimeoutError, OSError) as error:
                log.debug("hub_waits", reason=str(error) or type(error).__name__)
            except Exception:
                log.exception("hub_failed")
            self._wake()
            await asyncio.sleep(TICK_S)

    async def _look(self) -> None:
        info = await self._bus.js.consumer_info(topology.EVENTS, topology.API_EVENTS.durable)
        floor = info.ack_floor.stream_seq if info.ack_floor is not None else 0
        if not self.floor:
            self.floor = self._ring_from = floor  # what was before is in the database for who asks
        while self.floor < floor:
            found = await asyncio.to_thread(self._read, self.floor, floor, PAGE)
            for one in found:
                if len(self._ring) == RING:
                    self._ring_from = self._ring[0].seq
                self._ring.append(one)
                if one.run_id is not None and one.shard is not None:
                    self.board.completed(one.job_id, one.run_id, one.shard)
            self.floor = found[-1].seq if len(found) == PAGE else floor

    def _read(self, above: int, floor: int, limit: int) -> list[Happened]:
        with self._database.reading() as session:
            return [_told(row) for row in queries.events_between(session, above, floor, limit)]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _told(row: EventRow) -> Happened:
    entry = EventEntry.model_validate(row)
    shard = row.data.get("shard") if row.what == RunShardCompleted.what else None
    return Happened(row.seq, row.job_id, row.what, row.run_id, shard, entry.model_dump_json())
