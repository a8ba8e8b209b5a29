"""Writing local files whole or not at all, and what errors of a disk mean."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from vhb_shared.errors import Unavailable, UserError

COPY_CHUNK = 1 << 20

_WAIT = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space or raise it",
    errno.EIO: "the disk reports input/output errors: check the device",
    errno.ESTALE: "the network file system lost the folder: check the mount",
    errno.ETIMEDOUT: "the network file system does not answer: check the mount",
    errno.EHOSTDOWN: "the network file system does not answer: check the mount",
    errno.ENOTCONN: "the network file system is not connected: check the mount",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n)",
    errno.ENFILE: "too many open files on this host",
    errno.EBUSY: "the file is busy",
    errno.EAGAIN: "the file system is busy",
}
_USER = {
    errno.EACCES: "permission is denied: check who owns the folder",
    errno.EPERM: "permission is denied: check who owns the folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENAMETOOLONG: "the name is too long for this file system",
}


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Translates errors of the operating system met while doing `what` ("writing to /data").

    Raises:
        Unavailable: it can pass by itself or by freeing space.
        UserError: permissions and the like.
    """
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        if code in _WAIT:
            raise Unavailable(f"{what} has to wait: {_WAIT[code]}.") from error
        if code in _USER:
            raise UserError(f"{what} failed: {_USER[code]}.") from error
        raise


@contextmanager
def whole_file(temporary: Path, final: Path, *, sync: bool) -> Iterator[IO[bytes]]:
    """Opens `temporary` for writing; it becomes `final` when the block ends well and is removed when it does not.

    Args:
        temporary: a path that nobody else writes, in the file system of `final`; its parent exists.
        final: replaced at once; its parent is made.
        sync: the content reaches the disk before the name does.
    """
    try:
        with temporary.open("xb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        try:
            temporary.replace(final)
        except FileNotFoundError:
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(final)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def part_path(final: Path) -> Path:
    """A fresh temporary name beside a file."""
    return final.with_name(f".{final.name[:100]}.{uuid.uuid4().hex}.part")


def copy_content(source: IO[bytes], target: IO[bytes]) -> None:
    """Copies to the end without holding the content in memory."""
    shutil.copyfileobj(source, target, COPY_CHUNK)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory survive a loss of power; a file system that cannot is left alone."""
    with suppress(FileNotFoundError, NotADirectoryError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            with suppress(OSError):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
