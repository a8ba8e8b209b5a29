"""Objects as local files: downloaded once, kept within bounds."""

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vhb_shared.errors import VhbError
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.keys import check_key
from vhb_shared.store.local import disk_errors
from vhb_shared.store.turns import FOLDER, turn

GIB = 1 << 30
IN_USE_S = 120.0
"""A file handed out this recently is not removed: its reader may not have opened it yet."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Damaged(VhbError):  # noqa: N818 - a condition of the object
    """An object's content is not what its name says, after a second download too."""


class _File(NamedTuple):
    used: float
    size: int
    path: Path


class ObjectCache:
    """Local files of objects. A directory store's own files are handed out as they are.

    Objects whose name is a sha256 are verified when they arrive and when this process first meets them. Processes
    of one host may share a directory: each object is fetched by one of them while the others wait; the time of last
    use is kept in each file's modification time, and the least recently used go first when there is more than
    `max_bytes`.
    """

    def __init__(self, store: ObjectStore, directory: Path, max_bytes: int = 20 * GIB) -> None:
        self._store = store
        self._directory = directory
        self._max_bytes = max_bytes
        self._arriving: dict[str, asyncio.Task[Path]] = {}
        self._verified: set[str] = set()
        self._arrived_bytes: int | None = None
        """Since the last sweep; None before the first."""
        self._sweeping = asyncio.Lock()

    async def path(self, key: str) -> Path:
        """A local file with the object's content, for reading only; open it soon.

        Raises:
            NotFound: no such key.
            Unavailable: the storage does not answer, or the disk is full.
            Damaged: the content does not match the name.
        """
        check_key(key)
        own = self._store.local_path(key)
        if own is not None:
            if not await asyncio.to_thread(own.is_file):
                await self._store.get(key)  # says whether it is the object that is missing or the whole disk
            return own
        task = self._arriving.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(key))
            self._arriving[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # One caller's cancellation is not the others'.
        return await asyncio.shield(task)

    def _forget(self, key: str, task: asyncio.Task[Path]) -> None:
        self._arriving.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, in case every caller went away

    async def _fetch(self, key: str) -> Path:
        path = self._directory / key
        if await asyncio.to_thread(self._usable, key, path):
            return path
        with disk_errors(f"writing to the cache {self._directory}"):
            async with turn(self._directory, key):
                if await self._fetched(key, path):
                    return path
        raise Damaged(f"object {key} is damaged: its content does not match the digest in its name")

    async def _fetched(self, key: str, path: Path) -> bool:
        """Whether it is here and good: another process may have fetched it, else we do, twice at most."""
        if await asyncio.to_thread(self._usable, key, path):
            return True
        for _ in range(2):
            await self._store.get_file(key, path)
            if await asyncio.to_thread(self._usable, key, path):
                await self._bound(await asyncio.to_thread(_size, path))
                return True
        return False

    def _usable(self, key: str, path: Path) -> bool:
        with disk_errors(f"reading from the cache {self._directory}"):
            try:
                os.utime(path)
                if key not in self._verified:
                    digest = _SHA256.match(path.name)
                    if digest and _sha256(path) != digest[0]:
                        path.unlink(missing_ok=True)
                        return False
                    self._verified.add(key)
            except FileNotFoundError:
                self._verified.discard(key)
                return False
        return True

    async def _bound(self, size: int) -> None:
        """Sweeps at the first download and after every twentieth part of the bound."""
        if self._arrived_bytes is not None:
            self._arrived_bytes += size
            if self._arrived_bytes < self._max_bytes // 20:
                return
        async with self._sweeping:
            self._arrived_bytes = 0
            await asyncio.to_thread(sweep, self._directory, self._max_bytes)


def sweep(directory: Path, max_bytes: int) -> None:
    """Removes the least recently used files of a folder until the rest is within the bound. Blocking."""
    files = sorted(_files(directory))
    total = sum(file.size for file in files)
    recent = time.time() - IN_USE_S
    for file in files:
        if total <= max_bytes or file.used > recent:
            return
        with suppress(OSError):
            file.path.unlink()
            total -= file.size


def _files(directory: Path) -> Iterator[_File]:
    for folder, folders, names in os.walk(directory):
        if FOLDER in folders:
            folders.remove(FOLDER)
        for name in names:
            path = Path(folder, name)
            with suppress(FileNotFoundError):
                status = path.stat()
                yield _File(status.st_mtime, status.st_size, path)


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
