"""Turns among the processes of one host: who fetches a file, while the others wait for it."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_LOOK_S = 0.02
FOLDER = ".turns"
"""Of lock files, below the directory that is shared."""


@asynccontextmanager
async def turn(directory: Path, key: str) -> AsyncIterator[None]:
    """One process at a time for a key. The system takes the lock back from a process that dies.

    Waiting takes no thread: those who fetch need threads to get done.

    Args:
        directory: what the processes share, on a local disk.
        key: what it is about; two keys may share a lock, so hold no two turns at once.

    Raises:
        OSError: the lock file cannot be made.
    """
    file = directory / FOLDER / hashlib.sha256(key.encode()).hexdigest()[:2]
    descriptor = await asyncio.to_thread(_open, file)
    try:
        while not _locked(descriptor):  # noqa: ASYNC110 - another process has it
            await asyncio.sleep(_LOOK_S)
        yield
    finally:
        os.close(descriptor)


def _open(file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
