"""Local copies of objects that may be written anew under the same key: each good for one version."""

import asyncio
import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from vhb_shared.errors import NotFound, Unavailable
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import GIB, sweep

_TRIES = 5


class CurrentFile(NamedTuple):
    """An object as it is now."""

    path: Path
    """For reading only; open it soon."""
    version: str


class CurrentFiles:
    """Copies of results, which a retry replaces. A directory store's own files are handed out as they are.

    Processes may share the folder. The least recently used copies go first when there is more than `max_bytes`.

    Args:
        store: object storage.
        directory: for the copies; and for what others make of them in it, which is bounded with them.
        max_bytes: of all files in it.
    """

    def __init__(self, store: ObjectStore, directory: Path, max_bytes: int = 5 * GIB) -> None:
        self._store = store
        self._directory = directory
        self._max_bytes = max_bytes
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._arrived_bytes: int | None = None
        """Since the last sweep; None before the first."""

    @property
    def directory(self) -> Path:
        """Where the copies are."""
        return self._directory

    async def get(self, key: str) -> CurrentFile | None:
        """The object as it is now; None where there is none.

        Raises:
            Unavailable: the storage does not answer, the disk is full, or the object never stays the same.
        """
        try:
            version = await self._store.version(key)
            own = self._store.local_path(key)
            return CurrentFile(own, version) if own is not None else await self._copied(key, version)
        except NotFound:
            return None

    async def path(self, key: str) -> Path | None:
        """The file of `get` alone."""
        found = await self.get(key)
        return found.path if found is not None else None

    async def bound(self) -> None:
        """Removes what is too much; to be called after a file was added."""
        await asyncio.to_thread(sweep, self._directory, self._max_bytes)

    def copy_path(self, key: str, version: str) -> Path:
        """Where the copy of a version is, if it is there."""
        return self._directory / hashlib.sha256(f"{key}\0{version}".encode()).hexdigest()

    async def _arrived(self, path: Path) -> None:
        """Sweeps at the first copy and after every twentieth part of the bound: a sweep looks at every file."""
        if self._arrived_bytes is not None:
            with suppress(FileNotFoundError):
                self._arrived_bytes += (await asyncio.to_thread(path.stat)).st_size
            if self._arrived_bytes < self._max_bytes // 20:
                return
        self._arrived_bytes = 0
        await self.bound()

    async def _copied(self, key: str, version: str) -> CurrentFile:
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            for _ in range(_TRIES):
                path = self.copy_path(key, version)
                if await asyncio.to_thread(touched, path):
                    return CurrentFile(path, version)
                partial = path.with_suffix(f".{uuid.uuid4().hex}")
                await self._store.get_file(key, partial)
                now = await self._store.version(key)
                if now == version:
                    await asyncio.to_thread(partial.replace, path)
                    await self._arrived(path)
                    return CurrentFile(path, version)
                await asyncio.to_thread(partial.unlink)
                version = now
        raise Unavailable(f"object {key} is written anew all the time")


def touched(path: Path) -> bool:
    """Whether a copy is there; it then counts as used just now."""
    with suppress(FileNotFoundError):
        os.utime(path)
        return True
    return False
