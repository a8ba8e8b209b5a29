"""Object storage in a directory: the default of the embedded stack."""

import asyncio
import os
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from vhb_shared.errors import NotFound, Unavailable, UserError
from vhb_shared.store.base import ObjectInfo, ObjectStore
from vhb_shared.store.keys import RESERVED, check_key, check_prefix
from vhb_shared.store.local import copy_content, disk_errors, part_path, sync_directory, whole_file

T = TypeVar("T")
LIST_BATCH = 1000


class DirectoryStore(ObjectStore):
    """Objects are files under `root`. Any number of processes of one host may use it at once.

    An object is written under `root/.tmp` and renamed, so that a kill at any moment leaves all of it or none; what a
    kill left in `.tmp` is never listed and is removed after a day.

    With `durable`, an object survives a loss of power from the moment `put` returns, together with all objects put
    before it by this store. Directories are synchronised once per object, except for those named `media`: these
    hold thousands of small files and wait for the next object elsewhere (the manifest that makes them count).
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = root
        self._durable = durable
        self._unsynced: set[Path] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"DirectoryStore({str(self._root)!r})"

    async def check(self) -> None:
        await self._run("writing to", self._check)

    async def put(self, key: str, data: bytes) -> None:
        def write(file: IO[bytes]) -> None:
            file.write(data)

        await self._run("writing to", lambda: self._write(key, write))

    async def put_file(self, key: str, path: Path) -> None:
        def write(file: IO[bytes]) -> None:
            with path.open("rb") as source:
                copy_content(source, file)

        await self._run("writing to", lambda: self._write(key, write))

    async def get(self, key: str) -> bytes:
        def read() -> bytes:
            with self._found(key) as path:
                return path.read_bytes()

        return await self._run("reading from", read)

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        def read() -> bytes:
            with self._found(key) as path, path.open("rb") as file:
                file.seek(start)
                return file.read(length)

        return await self._run("reading from", read)

    async def get_file(self, key: str, path: Path) -> None:
        def copy() -> None:
            with self._found(key) as stored, stored.open("rb") as source:
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(part_path(path), path, sync=self._durable) as target:
                    copy_content(source, target)

        await self._run("copying from", copy)

    async def exists(self, key: str) -> bool:
        path = self._path(key)
        return await self._run("reading from", path.is_file)

    async def version(self, key: str) -> str:
        def ask() -> str:
            with self._found(key) as path:
                status = path.stat()
                # Every writing makes a file of its own.
                return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"

        return await self._run("reading from", ask)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        check_prefix(prefix)
        folder, _, start = prefix.rpartition("/")
        found = self._walk(self._root / folder if folder else self._root, f"{folder}/" if folder else "", start)
        while batch := await self._run("listing", lambda: tuple(islice(found, LIST_BATCH))):
            for info in batch:
                yield info

    async def delete(self, key: str) -> None:
        path = self._path(key)

        def remove() -> None:
            with _nothing_there():
                path.unlink()

        await self._run("deleting from", remove)

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    async def _run(self, doing: str, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with disk_errors(f"{doing} the storage folder {self._root}"):
                return work()

        return await asyncio.to_thread(guarded)

    def _check(self) -> None:
        if self._root.exists() and not self._root.is_dir():
            raise UserError(f"the storage folder {self._root} is a file: name a folder (VHB_STORE_DIR).")
        folder = self._root / RESERVED
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        probe = folder / uuid.uuid4().hex
        probe.write_bytes(b"probe")
        probe.unlink()

    def _write(self, key: str, write: Callable[[IO[bytes]], None]) -> None:
        final = self._path(key)
        temporary = self._root / RESERVED / uuid.uuid4().hex
        temporary.parent.mkdir(parents=True, exist_ok=True)
        new_folders = _missing_folders(final.parent, self._root)
        with whole_file(temporary, final, sync=self._durable) as file:
            write(file)
        if self._durable:
            self._sync_names(final.parent, new_folders)

    def _sync_names(self, folder: Path, new_folders: tuple[Path, ...]) -> None:
        changed = {folder, *(new.parent for new in new_folders)}
        if folder.name == "media":
            with self._lock:
                self._unsynced |= changed
            return
        with self._lock:
            changed |= self._unsynced
            self._unsynced = set()
        for directory in changed:
            sync_directory(directory)

    @contextmanager
    def _found(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        try:
            yield path
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if error.filename is not None and Path(error.filename) != path:
                raise
            if not self._root.is_dir():
                raise Unavailable(f"the storage folder {self._root} is gone: is its disk mounted?") from error
            raise NotFound(f"no object {key} in {self._root}") from error

    def _walk(self, folder: Path, base: str, start: str) -> Iterator[ObjectInfo]:
        """Objects of a folder whose key starts with `base + start`; one folder's names are held at a time."""
        names = []
        with _nothing_there(), os.scandir(folder) as entries:
            # A folder sorts as `name/`, which is what its keys go on with: "a.txt" comes before "a/b".
            names = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in entries
                if entry.name.startswith(start) and not (base == "" and entry.name == RESERVED)
            )
        for name in names:
            if name.endswith("/"):
                yield from self._walk(folder / name[:-1], base + name, "")
            else:
                with _nothing_there():
                    yield ObjectInfo(base + name, (folder / name).stat().st_size)


@contextmanager
def _nothing_there() -> Iterator[None]:
    """What is missing, or was removed while we looked, is no error."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return


def _missing_folders(folder: Path, root: Path) -> tuple[Path, ...]:
    missing = []
    while folder != root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    return tuple(missing)


def _remove_leftovers(folder: Path, older_than_s: float = 86_400) -> None:
    for path in folder.iterdir():
        with _nothing_there():
            if path.stat().st_mtime < time.time() - older_than_s:
                path.unlink()
