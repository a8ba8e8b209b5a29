"""Answers a query in a process of its own, which the kernel bounds and which is ended when its time is up."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vhb_shared.analytics.stored import Laid
from vhb_shared.analytics.tables import TABLES
from vhb_shared.errors import UserError

MAX_RESULT_BYTES = 64 << 20
_LONGEST_MESSAGE = 600
_CHECK_S = 10.0
_START_S = 10.0
"""Beside a query's own time: until the process is there and has read its request."""


@dataclass(frozen=True)
class Limits:
    """What one query may take."""

    seconds: float = 30
    memory_mib: int = 1024
    rows: int = 1000
    """Returned at most."""
    bytes: int = MAX_RESULT_BYTES
    """Of the result, as JSON."""
    nice: int = 0
    """How far the process stands back behind others."""
    threads: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))


@dataclass(frozen=True)
class Words:
    """How whoever asks says more, for the sentences about what went wrong."""

    time: str = "--timeout"
    memory: str = "--memory"
    parameter: str = "--param {name}=..."
    jobs: str = "--job names others"
    tables: tuple[str, ...] = TABLES


@dataclass(frozen=True)
class Answer:
    """What a query found."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    """Values as JSON has them; times, blobs (hex) and numbers that are none as text."""
    more: bool
    """Whether there are further rows than were allowed."""
    types: tuple[str, ...] = ()
    """Of the columns, as DuckDB names them."""


class _Asked(NamedTuple):
    limits: Limits
    keys: Mapping[Path, str]
    words: Words


_WORDS = Words()


async def ask(
    sql: str, laid: Laid, limits: Limits, parameters: Mapping[str, Any] | None = None, words: Words = _WORDS
) -> Answer:
    """Runs one statement that reads.

    Args:
        sql: one SELECT, with `$name` where a parameter goes.
        laid: the tables.
        limits: what it may take.
        parameters: bound, never pasted; those that the statement does not name are ignored.
        words: for its errors.

    Raises:
        UserError: it is no such statement, fails, or takes more than it may; one sentence.
    """
    request = {
        "sql": sql,
        "parameters": dict(parameters or {}),
        "views": dict(laid.views),
        "paths": [str(path) for path in laid.paths],
        "rows": limits.rows,
        "bytes": limits.bytes,
        "nice": limits.nice,
        "memory_mib": limits.memory_mib,
        "threads": limits.threads,
        "cpu_s": int((limits.seconds + _START_S) * limits.threads) + 1,
        "to_give": words.parameter,
    }
    try:
        said, errors, code = await _run(request, limits.seconds)
    except TimeoutError:
        raise UserError(
            f"The query took longer than {limits.seconds:g} s and was ended; ask for less, or give it more time "
            f"({words.time})."
        ) from None
    # A long result takes a while to read.
    return await asyncio.to_thread(_read, said, errors, code, _Asked(limits, laid.keys, words))


async def check(sql: str) -> None:
    """Whether a text is one statement that reads; not whether its tables and columns are there.

    Raises:
        UserError: it is none; one sentence.
    """
    request = {"sql": sql, "memory_mib": 256, "threads": 1, "cpu_s": 10, "check": True}
    try:
        said, errors, code = await _run(request, _CHECK_S)
    except TimeoutError:
        raise UserError("The query could not be looked at in time; save it again.") from None
    _read(said, errors, code, _Asked(Limits(), {}, _WORDS))


async def _run(request: Mapping[str, Any], seconds: float) -> tuple[bytes, bytes, int | None]:
    """What the process says, and how it ends; it is ended when its time is up, or whoever waits goes away."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "vhb_shared.analytics.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    try:
        async with asyncio.timeout(seconds):
            said, errors = await process.communicate(json.dumps(request).encode())
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return said, errors, process.returncode


def _environment() -> dict[str, str]:
    """No secrets of ours, no libraries' settings."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONIOENCODING": "utf-8"}


def _read(said: bytes, errors: bytes, returncode: int | None, asked: _Asked) -> Answer:
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = []
    for line in said.splitlines():
        message = json.loads(line)
        if "rows" in message:
            rows += map(tuple, message["rows"])
        elif "columns" in message:
            columns, types = tuple(message["columns"]), tuple(message["types"])
        elif "end" in message:
            return Answer(columns, tuple(rows), message["end"] == "more", types)
        else:
            raise _mistake(message["error"], message["message"], asked)
    if returncode is not None and returncode < 0:
        raise _mistake("memory", "", asked)
    last = _one_line(errors.decode(errors="replace").strip().rpartition("\n")[2], asked.words)
    raise UserError(f"The query could not be run: its process ended with {returncode} ({last}).")


def _mistake(kind: str, message: str, asked: _Asked) -> UserError:
    words = asked.words
    if kind == "memory":
        more = f"; ask for less, or give it more ({words.memory})" if words.memory else "; ask for less"
        return UserError(f"The query needs more than {asked.limits.memory_mib} MiB of memory{more}.")
    for path, key in asked.keys.items():
        if str(path) in message:
            why = _one_line(message.replace(str(path), path.name), words)
            return UserError(f"The stored file {key} cannot be read: {why}; leave its job out ({words.jobs}).")
    lead = "The query is refused" if kind == "refused" else "The query is wrong"
    return UserError(f"{lead}: {_one_line(message, words)}.".replace("?.", "?"))


def _one_line(message: str, words: Words) -> str:
    """The first lines of an engine's message; without the excerpt of the query, and harmless to a terminal."""
    head = message.split("\n\nLINE ")[0].split("\nPossible fixes")[0]
    for name in ("Parser", "Binder", "Catalog", "Conversion", "Invalid Input"):
        head = head.removeprefix(f"{name} Error: ")
    if head.startswith("Table with name"):  # what it then guesses are tables of its own
        head = f"{head.split(chr(10))[0].rstrip('!')}; the tables are {', '.join(words.tables)}"
    text = " ".join(head.split()).rstrip(".")
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text[:_LONGEST_MESSAGE])
