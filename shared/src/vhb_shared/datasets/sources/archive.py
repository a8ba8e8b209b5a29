"""A folder in one file (zip, tar): unpacked once beside the fetched data sets, whole or not at all."""

import errno
import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from vhb_shared.errors import UserError
from vhb_shared.settings import SourceSettings
from vhb_shared.store.local import COPY_CHUNK, disk_errors

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_MEMBERS = 5_000_000
_HIDDEN = "__MACOSX"
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError, NotImplementedError,
    LookupError, UnicodeError,
)  # fmt: skip
_NAMES = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
"""What the file system says of names that cannot be."""

Member = tuple[PurePosixPath, Callable[[], IO[bytes]]]


def is_archive(path: Path) -> bool:
    """Whether a path is a file whose name says that it is a packed folder."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def unpacked_name(name: str) -> str:
    """A file's name without what says how it is packed."""
    suffix = max((each for each in SUFFIXES if name.lower().endswith(each)), key=len, default="")
    return name[: len(name) - len(suffix)] or name


def unpacked(path: Path, source: str, settings: SourceSettings) -> Path:
    """The folder that is packed in a file; where it holds one folder and nothing else, that one. Blocks.

    It is kept below `settings.sources_directory()` under the file's hash, so that it is unpacked once. Only plain files
    and folders are taken; names that leave the folder, links and devices are refused.

    Args:
        path: a file for which `is_archive` holds.
        source: as the user wrote it, for messages.
        settings: where to, and how many bytes it may take.

    Raises:
        UserError: it is damaged, asks for a password, is too big, or holds what is not taken.
        Unavailable: the disk is full.
    """
    with disk_errors(f"unpacking {path.name}"):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        folder = settings.sources_directory() / "unpacked" / digest[:32]
        if not folder.is_dir():
            bound = f"VHB_SOURCE_GIB allows ({settings.source_bytes() / (1 << 30):g}); raise it"
            unpack(path, folder, Refusal(f'data set "{source}"', bound), settings.source_bytes())
    inside = visible(folder)
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, without what systems put there for themselves."""
    found = (Path(entry.path) for entry in os.scandir(folder))
    return [path for path in found if not path.name.startswith(".") and path.name != _HIDDEN]


class Refusal:
    """Makes errors about one archive.

    Args:
        what: it is to the user.
        bound: ends the sentence "what is packed takes more than".
    """

    def __init__(self, what: str, bound: str) -> None:
        self._what = what
        self.bound = bound

    def __call__(self, why: str) -> UserError:
        return UserError(f"{self._what}: {why}")


def unpack(path: Path, folder: Path, refusal: Refusal, limit: int, most_files: int = MAX_MEMBERS) -> None:
    """Unpacks an archive into a folder that is not there yet, whole or not at all. Blocks.

    Args:
        path: a file for which `is_archive` holds.
        folder: where to.
        refusal: makes the errors.
        limit: bytes that it may take unpacked.
        most_files: that it may hold.

    Raises:
        UserError: as `unpacked`.
        OSError: of the disk.
    """
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    temporary.mkdir(parents=True)
    left = limit
    try:
        for number, (name, opened) in enumerate(_members(path, refusal)):
            if number >= most_files:
                raise refusal(f"the archive holds more than {most_files:,} files")
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened() as packed, target.open("wb") as file:
                while chunk := packed.read(COPY_CHUNK):
                    left -= len(chunk)  # what it says of its sizes may be a lie
                    if left < 0:
                        raise refusal(f"what is packed takes more than {refusal.bound}")
                    file.write(chunk)
        with suppress(FileExistsError, OSError):
            temporary.rename(folder)
        if not folder.is_dir():
            raise OSError(f"{folder} could not be made")
    except _DAMAGED as error:
        raise refusal(f"the archive is damaged or of an unknown kind ({error}); pack it again") from error
    except OSError as error:
        if error.errno in _NAMES:
            raise refusal(f"the archive holds names that cannot be used here ({error.strerror})") from error
        raise
    except RuntimeError as error:  # zipfile, of files with a password
        raise refusal(f"the archive cannot be unpacked ({error}); pack it without a password") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _members(path: Path, refusal: Refusal) -> Iterator[Member]:
    """Name and content of each plain file, in the archive's order."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                kind = entry.external_attr >> 28  # of a Unix mode; 0 where another system packed it
                if entry.is_dir():
                    continue
                if kind not in (0, 8):
                    raise refusal(f'the archive holds "{entry.filename[:200]}", which is no plain file; leave it out')
                yield _safe(entry.filename, refusal), lambda entry=entry: archive.open(entry)  # type: ignore[misc]
        return
    with tarfile.open(path, "r:*") as tape:
        for member in tape:
            tape.members = []  # type: ignore[attr-defined] # else all that was seen is remembered
            if member.isdir():
                continue
            if not member.isreg():
                raise refusal(f'the archive holds "{member.name[:200]}", which is no plain file; leave it out')
            yield _safe(member.name, refusal), lambda member=member: _content(tape, member)  # type: ignore[misc]


def _content(tape: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tape.extractfile(member)
    assert content is not None  # it is a plain file
    return content


def _safe(name: str, refusal: Refusal) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or ":" in path.parts[0]:
        raise refusal(f'the archive holds "{name[:200]}", which leaves its folder')
    return path
