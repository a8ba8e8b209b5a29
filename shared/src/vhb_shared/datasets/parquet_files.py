"""Parquet files that users brought, read by a process of its own: whatever is in them, it is a table or a sentence."""

import contextlib
import fcntl
import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import psutil

from vhb_shared.datasets.parquet_worker import LENGTH_BYTES
from vhb_shared.errors import UserError

SILENCE_S = 300.0
"""How long the next rows may take: a row group is read at once, perhaps from slow storage."""
_CPU_S = 7 * 24 * 3600
_LEAST_MIB = 2048
_MAGIC = b"PAR1"
_KEPT = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "POLARS_MAX_THREADS")
_PIPE_BYTES = 1 << 20


class ParquetFiles:
    """Reads one file after another; `with`. Blocking, and for one thread: call it in one that may wait.

    Args:
        silence_s: after so long without a word about a file it is given up.
        memory_mib: what reading may take; None: half of what the machine has.
    """

    def __init__(self, silence_s: float = SILENCE_S, memory_mib: int | None = None) -> None:
        self._silence_s = silence_s
        self._memory_mib = memory_mib or max(_LEAST_MIB, psutil.virtual_memory().total >> 21)
        self._process: subprocess.Popen[bytes] | None = None
        self._path = Path()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def schema(self, path: Path) -> pl.Schema:
        """Opens a file, and says which columns it has.

        Raises:
            UserError: it is not a Parquet file, is damaged, or cannot be opened.
        """
        self._path = path
        _look(path)
        self._ask({"path": str(path.absolute())})
        table = self._table()
        assert table is not None
        return table.schema

    def rows(self, columns: list[str], at_once: int) -> Iterator[dict[str, Any]]:
        """The rows of the file that was opened last, in order. No other file while this goes on.

        Args:
            columns: which to read.
            at_once: rows that are in memory as Python values.

        Raises:
            UserError: as above; or the file takes more memory or time than it may.
        """
        self._ask({"columns": columns, "rows": at_once})
        while (table := self._table()) is not None:
            yield from table.iter_rows(named=True)

    def _ask(self, request: dict[str, Any]) -> None:
        if self._process is None:
            self._process = self._started()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _table(self) -> pl.DataFrame | None:
        """The next one; None after the last one."""
        letter = self._read(1)
        content = self._read(int.from_bytes(self._read(LENGTH_BYTES), "big"))
        if letter == b"X":
            raise self._damaged(content.decode())
        return pl.read_ipc_stream(io.BytesIO(content)) if letter == b"T" else None

    def _read(self, length: int) -> bytearray:
        assert self._process is not None and self._process.stdout is not None
        found, filled = bytearray(length), 0
        waiting = select.poll()  # select() knows no file above 1024
        waiting.register(self._process.stdout, select.POLLIN)
        with memoryview(found) as view:
            while filled < length:
                if not waiting.poll(self._silence_s * 1000):
                    self._end()
                    raise UserError(
                        f"{self._path}: nothing came of reading it for {self._silence_s:g} s: see whether its storage "
                        "answers, or write it again with smaller row groups"
                    )
                piece = self._process.stdout.readinto(view[filled:])  # type: ignore[attr-defined]
                if not piece:
                    raise self._ended()
                filled += piece
        return found

    def _started(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vhb_shared.datasets.parquet_worker", str(self._memory_mib), str(_CPU_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a backtrace for each panic; what matters is said
            bufsize=0,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
        )
        with contextlib.suppress(OSError):  # the user has many pipes already
            fcntl.fcntl(process.stdout or -1, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return process

    def _ended(self) -> UserError:
        assert self._process is not None
        code = self._process.wait()
        self._end()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return UserError(
            f"{self._path}: what reads it broke off ({how}): it is damaged, or one of its row groups needs more than "
            f"{self._memory_mib} MiB of memory; write it again, with smaller row groups"
        )

    def _damaged(self, why: str) -> UserError:
        return UserError(f"{self._path}: is not a Parquet file, or is damaged ({why.strip()[:200]}); write it again")

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None


def _look(path: Path) -> None:
    """What needs no process to be seen."""
    try:
        with path.open("rb") as file:
            first = file.read(len(_MAGIC))
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(_MAGIC)))
            last = file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    if first != _MAGIC or last != _MAGIC or size < 3 * len(_MAGIC):
        raise UserError(
            f"{path}: is not a Parquet file, or is damaged (it does not begin and end with PAR1); write it again"
        )
