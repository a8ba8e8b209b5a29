"""Where the tables' files come from: read where they lie, copied for one query, or kept between queries."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from vhb_shared.errors import NotFound
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.current import CurrentFiles, touched

T = TypeVar("T")
WRITTEN_ONCE = "once"
"""The stamp of what never changes; it may still come."""
_MOST_KEYS = 1_000_000
_MOST_BYTES = 256 << 20


class Wanted(NamedTuple):
    """A file of a table."""

    key: str
    """In storage."""
    stamp: str | None
    """Another one as soon as it may have been written anew; None: that is not known."""
    path: Path
    """Where the engine is to find it."""


class Source:
    """Files of storage, for one query."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    async def parsed(self, key: str, stamp: str | None, parse: Callable[[bytes], T]) -> T | None:
        """What a small file says; None where there is none.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            return parse(await self.store.get(key))
        except NotFound:
            return None

    def remembered(self, key: str, stamp: str | None) -> tuple[bool, Any]:
        """Whether it is known what a small file says, and what it says: as `parsed`."""
        return False, None

    def at_hand(self, wanted: Wanted) -> Path | None:
        """The file as far as that is known without asking the storage; it may be gone. None: it has to be fetched."""
        return self.store.local_path(wanted.key)

    def is_missing(self, wanted: Wanted) -> bool:
        """Whether it is known without asking the storage that there is no such file."""
        return self.store.local_path(wanted.key) is not None

    async def fetched(self, wanted: Wanted) -> Path | None:
        """The file; None where there is none.

        Raises:
            Unavailable: the storage does not answer.
        """
        try:
            await self.store.get_file(wanted.key, wanted.path)
        except NotFound:
            return None
        return wanted.path

    def place(self, own: Path, path: Path) -> bool:
        """Puts a file where the engine looks for it; whether it was still there. Blocking."""
        if own == path:
            return True
        if not own.is_file():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(own.absolute())
        return True


class KeptSource(Source):
    """Keeps what it was asked for: small files in memory as they were read, others as files.

    What has a stamp is looked for once and then known; of anything else the storage is asked which version it has.

    Args:
        store: object storage.
        files: copies of its objects.
    """

    def __init__(self, store: ObjectStore, files: CurrentFiles) -> None:
        super().__init__(store)
        self._files = files
        self._found: dict[tuple[str, str], Path | None] = {}
        self._said: dict[tuple[str, str], Any] = {}
        self._said_bytes = 0
        self._arriving: set[asyncio.Future[Path | None]] = set()

    def remembered(self, key: str, stamp: str | None) -> tuple[bool, Any]:
        name = (key, stamp or "")
        return (True, self._said[name]) if stamp is not None and name in self._said else (False, None)

    async def parsed(self, key: str, stamp: str | None, parse: Callable[[bytes], T]) -> T | None:
        if stamp is None:
            return await super().parsed(key, stamp, parse)
        try:
            content = await self.store.get(key)
        except NotFound:
            content = None
            if stamp == WRITTEN_ONCE:
                return None
        said = await asyncio.to_thread(parse, content) if content is not None else None
        self._said_bytes += len(content or b"") + len(key)
        if self._said_bytes > _MOST_BYTES:
            self._said.clear()
            self._said_bytes = 0
        self._said[key, stamp] = said
        return said

    def at_hand(self, wanted: Wanted) -> Path | None:
        own = super().at_hand(wanted)
        if own is not None or wanted.stamp is None:
            return own
        return self._found.get((wanted.key, wanted.stamp))

    def is_missing(self, wanted: Wanted) -> bool:
        if super().is_missing(wanted):
            return True
        name = (wanted.key, wanted.stamp or "")
        return wanted.stamp is not None and name in self._found and self._found[name] is None

    async def fetched(self, wanted: Wanted) -> Path | None:
        # A query that is given up leaves what is on its way to the next one.
        task = asyncio.ensure_future(self._files.path(wanted.key))
        self._arriving.add(task)
        task.add_done_callback(self._arrived)
        found = await asyncio.shield(task)
        if wanted.stamp is not None:
            if len(self._found) >= _MOST_KEYS:
                self._found.clear()
            self._found[wanted.key, wanted.stamp] = found
        return found

    def place(self, own: Path, path: Path) -> bool:
        if self.store.local_path("x") is not None:
            return super().place(own, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A link of its own: the copy may be removed while the query runs.
            os.link(own, path)
        except FileNotFoundError:
            return False
        touched(own)
        return True

    def _arrived(self, task: asyncio.Future[Path | None]) -> None:
        self._arriving.discard(task)
        if not task.cancelled():
            task.exception()  # seen, in case its query went away
