"""Answers queries: so many at a time, each bounded, with files that are kept between them."""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from vhb_api.db.database import Database
from vhb_api.querying.catalogue import known_jobs
from vhb_api.querying.exported import EXPORTED, export
from vhb_shared.analytics.engine import Answer, Limits, Words, ask
from vhb_shared.analytics.offered import Known, Lines, Offered
from vhb_shared.analytics.sources import KeptSource
from vhb_shared.analytics.stored import laid_out, mentioned
from vhb_shared.analytics.tables import TABLES
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.current import CurrentFiles

QUERY_TABLES: tuple[str, ...] = tuple(dict.fromkeys((*TABLES, *EXPORTED)))
MOST_BYTES = 32 << 20
"""Of a result."""
MOST_OF_A_TOKEN = 8
"""Queries of one token that run or wait."""
_WAIT_S = 5.0
"""How long a query waits for its turn before it is told to come again."""
_NICE = 5
_LEFT_BEHIND_S = 86_400
_WORDS = Words(
    time="`timeout_s`",
    memory="",
    parameter='`"parameters": {{"{name}": ...}}`',
    jobs="name others in `jobs`",
    tables=QUERY_TABLES,
)


class Crowded(Exception):  # noqa: N818 - a condition
    """Too many queries run: come again. `own`: they are of whoever asks."""

    def __init__(self, *, own: bool) -> None:
        super().__init__()
        self.own = own


class StillFetching(Exception):  # noqa: N818 - a condition
    """Files are on their way from storage: come again."""


class Asked(NamedTuple):
    """A query, with what it may take."""

    sql: str
    parameters: Mapping[str, Any]
    jobs: Sequence[str]
    rows: int
    seconds: float


@dataclass(frozen=True)
class Answered:
    """What it found."""

    answer: Answer
    notes: tuple[str, ...]
    """What is left out."""
    seconds: float


class Queries:
    """Answers the queries of one process.

    Args:
        store: object storage.
        database: knows which jobs there are.
        folder: for copies of stored files, and for what one query reads.
        max_bytes: of the copies.
        at_once: queries that run at a time.
        memory_mib: that each may take.
    """

    def __init__(
        self, store: ObjectStore, database: Database, folder: Path, *, max_bytes: int, at_once: int, memory_mib: int
    ) -> None:
        self._source = KeptSource(store, CurrentFiles(store, folder / "copies", max_bytes))
        self._database = database
        self._scratch = folder / "running"
        self._memory_mib = memory_mib
        self._places = asyncio.Semaphore(at_once)
        self._of: Counter[str] = Counter()

    async def answer(self, asked: Asked, token_id: str) -> Answered:
        """Runs one query.

        Raises:
            Crowded: others run; later there will be room.
            StillFetching: its files are on their way; later they will be here.
            UserError: it is wrong, or takes too much.
            Unavailable: the storage or the database does not answer.
        """
        async with self._place(token_id):
            started = time.monotonic()
            await asyncio.to_thread(_prepare, self._scratch)
            tables = mentioned(asked.sql, QUERY_TABLES)
            async with AsyncExitStack() as opened:
                own = TemporaryDirectory(prefix="tables-", dir=self._scratch, ignore_cleanup_errors=True)
                folder = Path(opened.enter_context(own))
                offered = await asyncio.to_thread(self._offered, tables, asked.jobs, folder)
                try:
                    async with asyncio.timeout(asked.seconds):
                        laid = await opened.enter_async_context(laid_out(self._source, tables, asked.jobs, offered))
                except TimeoutError:
                    raise StillFetching from None
                left = max(asked.seconds - (time.monotonic() - started), 0.1)
                limits = Limits(
                    seconds=left, memory_mib=self._memory_mib, rows=asked.rows, bytes=MOST_BYTES, nice=_NICE
                )
                answer = await ask(asked.sql, laid, limits, asked.parameters, _WORDS)
            return Answered(answer, laid.notes, time.monotonic() - started)

    def _offered(self, tables: Sequence[str], jobs: Sequence[str], folder: Path) -> Offered:
        with self._database.reading() as session:
            known: Known = known_jobs(session, jobs)
            lines: dict[str, Lines] = {
                table: export(session, table, jobs, folder / f"{table}.jsonl") for table in EXPORTED if table in tables
            }
        return Offered(known, lines, self._scratch)

    @asynccontextmanager
    async def _place(self, token_id: str) -> AsyncIterator[None]:
        if self._of[token_id] >= MOST_OF_A_TOKEN:
            raise Crowded(own=True)
        self._of[token_id] += 1
        try:
            try:
                async with asyncio.timeout(_WAIT_S):
                    await self._places.acquire()
            except TimeoutError:
                raise Crowded(own=False) from None
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._of[token_id] -= 1
            if not self._of[token_id]:
                del self._of[token_id]


def _prepare(scratch: Path) -> None:
    """Makes the folder, and removes what a process that was killed has left in it."""
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.scandir(scratch) as entries:
        old = [entry.path for entry in entries if entry.stat().st_mtime < time.time() - _LEFT_BEHIND_S]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
