"""Starts a process that works on stored tables, and ends it in time."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from vhb_shared.errors import UserError

Work = Literal["compare", "fields"]
_LONGEST_MESSAGE = 400
_KEPT = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Bounds:
    """What one piece of work may take."""

    seconds: float = 120
    memory_mib: int = 3072
    threads: int = 2


async def worked(work: Work, given: Mapping[str, Any], bounds: Bounds) -> Any:
    """What came of a piece of work. Cancelling it ends the process.

    Args:
        work: which.
        given: what it needs, as JSON has it; see `worker`.
        bounds: what it may take.

    Raises:
        UserError: one sentence: what was asked makes no sense, a table cannot be read, or it takes more than it may.
    """
    request = {
        "work": work,
        "given": dict(given),
        "memory_mib": bounds.memory_mib,
        "cpu_s": int(bounds.seconds * (bounds.threads + 1)) + 1,
    }
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    threads = str(bounds.threads)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "vhb_shared.computing.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment, "PYTHONIOENCODING": "utf-8", "POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads,
             "OPENBLAS_NUM_THREADS": threads},
    )  # fmt: skip
    try:
        async with asyncio.timeout(bounds.seconds):
            said, errors = await process.communicate(json.dumps(request).encode())
    except TimeoutError:
        raise UserError(
            f"This takes longer than {bounds.seconds:g} s and was ended: ask for fewer runs, metrics or groups."
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        if (process.returncode or 0) < 0 or "memory allocation" in last or "MemoryError" in last:
            raise _needs_memory(bounds)
        raise UserError(f"This could not be computed: its process ended with {process.returncode} ({_line(last)}).")
    answer = json.loads(said)
    match answer.get("error"):
        case None:
            return answer["result"]
        case "user":
            raise UserError(answer["message"])
        case "memory":
            raise _needs_memory(bounds)
    raise UserError(f"A stored table cannot be read ({_line(answer['message'])}): evaluate the run again.")


def _needs_memory(bounds: Bounds) -> UserError:
    return UserError(
        f"This needs more than {bounds.memory_mib} MiB of memory: ask for fewer runs or metrics at a time."
    )


def _line(message: str) -> str:
    text = " ".join(message.split())
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text[:_LONGEST_MESSAGE])
