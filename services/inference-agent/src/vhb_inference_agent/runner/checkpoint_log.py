"""The file of answers of a shard in flight: appended to, torn at worst in its last line. Everything here blocks."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vhb_shared.contracts.results import Answer


class Entry(BaseModel):
    """One line of a checkpoint."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    round: int
    """Of the job when it was asked: a retry asks failures of an earlier round again."""
    answer: Answer

    def line(self) -> bytes:
        """The entry as a line of JSON."""
        return self.model_dump_json().encode() + b"\n"


def entries(data: bytes) -> Iterable[Entry]:
    """The entries that are whole; a torn line, or one of another version, is passed over."""
    for line in data.splitlines():
        if not line.endswith(b"}"):
            continue
        try:
            yield Entry.model_validate(json.loads(line))
        except (ValueError, ValidationError):
            continue


def log_path(folder: Path, run_id: str, shard: int, agent_id: str) -> Path:
    """<folder>/invoices-x7-0.00003.agent-0.jsonl: each agent of a host writes its own."""
    return folder / f"{run_id}.{shard:05d}.{agent_id}.jsonl"


def logs_of(folder: Path, run_id: str, shard: int) -> list[Path]:
    """What the agents of this host left of a shard."""
    return sorted(folder.glob(f"{run_id}.{shard:05d}.*.jsonl"))


def shards_of(folder: Path) -> set[tuple[str, int]]:
    """(run id, shard) of every log in the folder."""
    found = (path.name.split(".", 2) for path in folder.glob("*.*.*.jsonl"))
    return {(run_id, int(shard)) for run_id, shard, _ in found if shard.isdigit()}


def read_logs(folder: Path, run_id: str, shard: int) -> list[Entry]:
    """The entries that agents of this host, killed or alive, have written of a shard."""
    found: list[Entry] = []
    for path in logs_of(folder, run_id, shard):
        with suppress(FileNotFoundError):
            found.extend(entries(path.read_bytes()))
    return found


def remove_logs(folder: Path, run_id: str, shard: int) -> None:
    """Deletes them."""
    for path in logs_of(folder, run_id, shard):
        path.unlink(missing_ok=True)


class CheckpointLog:
    """An append-only file, opened when the first line is written.

    Args:
        path: of the file; parents are made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._good = 0

    def append(self, data: bytes) -> None:
        """Writes whole lines, or nothing.

        Raises:
            OSError: nothing of it counts as written; may be called again.
        """
        if self._fd is None:
            self._open()
        assert self._fd is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            os.ftruncate(self._fd, self._good)
            raise
        self._good += len(data)

    def sync(self) -> None:
        """Returns when everything written would survive a loss of power."""
        if self._fd is not None:
            os.fsync(self._fd)

    def close(self) -> None:
        """Closes the file; it stays."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(fd).st_size
        # A line torn by a kill would swallow the next one.
        self._good = size - _torn(fd, size)
        os.ftruncate(fd, self._good)
        self._fd = fd


def _torn(fd: int, size: int) -> int:
    """Bytes after the last line's end."""
    block = 64 * 1024
    torn = 0
    while torn < size:
        start = max(0, size - torn - block)
        tail = os.pread(fd, size - torn - start, start)
        end = tail.rfind(b"\n")
        if end >= 0:
            return torn + len(tail) - end - 1
        torn += len(tail)
    return torn
