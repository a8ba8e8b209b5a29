"""A service's log records that concern a job, told to those who watch the job.

Records are put aside in bounded queues by whatever thread logs, and published by a task of the event loop: logging
never waits, and never raises.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any, get_args

from vhb_shared.bus.client import Bus
from vhb_shared.contracts.live import Level, LogLine, LogLines
from vhb_shared.log_text import clean_line
from vhb_shared.logging import without_secrets

SAY_EVERY_S = 0.5
MOST_LINES = 50
"""Of one job between two tellings; the last ones are told, those before them are counted."""
MOST_CHARACTERS = 24_000
MOST_JOBS = 200
_ABOUT = ("event", "timestamp", "level", "service", "logger", "exc_info", "stack_info", "job", "job_id")
"""What is said already."""
_LEVELS: tuple[str, ...] = get_args(Level)


class _Waiting:
    def __init__(self) -> None:
        self.records: deque[logging.LogRecord] = deque(maxlen=MOST_LINES)
        """Made into text when they are told: most of a flood never is."""
        self.left_out = 0


class LiveLogs(logging.Handler):
    """`async with` it: a handler of the root logger until the block ends.

    Args:
        bus: where it is told.
        service: whose records they are.
        name: which of several.
    """

    def __init__(self, bus: Bus, service: str, name: str = "") -> None:
        super().__init__(level=logging.INFO)
        self.jobs_of: Callable[[str], Iterable[str]] = lambda backend_id: ()
        """The jobs that a record about a backend concerns."""
        self._bus, self._service, self._who = bus, service, name
        self._waiting: dict[str, _Waiting] = {}
        self._mutex = Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LiveLogs":
        logging.getLogger().addHandler(self)
        self._task = asyncio.create_task(self._say_always(), name="live logs")
        return self

    async def __aexit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with suppress(Exception):
            await self.say()

    def emit(self, record: logging.LogRecord) -> None:
        """Puts a record aside, where it concerns a job."""
        with suppress(Exception):
            if not isinstance(record.msg, dict):
                return  # of a library: none of them knows of jobs
            jobs = self._jobs(record.msg)
            if not jobs:
                return
            with self._mutex:
                for job_id in jobs:
                    self._put(job_id, record)

    async def say(self) -> None:
        """Publishes what was put aside."""
        with self._mutex:
            waiting, self._waiting = self._waiting, {}
        for job_id, each in waiting.items():
            lines: list[LogLine] = []
            room = MOST_CHARACTERS
            for record in reversed(each.records):
                line = LogLine(at=round(record.created, 3), level=_level(record), text=_text(record))
                room -= len(line.text)
                if room < 0:
                    break
                lines.insert(0, line)
            left_out = each.left_out + len(each.records) - len(lines)
            await self._bus.live(
                LogLines(
                    job_id=job_id, source=self._service, name=self._who, lines=tuple(lines), left_out=left_out
                )
            )  # fmt: skip

    async def _say_always(self) -> None:
        while True:
            await asyncio.sleep(SAY_EVERY_S)
            if self._waiting:
                with suppress(Exception):  # live messages may be lost
                    await self.say()

    def _jobs(self, fields: Mapping[str, Any]) -> set[str]:
        found = {fields.get("job") or fields.get("job_id")}
        run_id = fields.get("run") or fields.get("run_id")
        if isinstance(run_id, str) and not any(found):
            found.add(run_id.rpartition("-")[0])
        backend_id = fields.get("backend_id") or fields.get("backend")
        if isinstance(backend_id, str) and not any(found):
            found |= set(self.jobs_of(backend_id))
        return {job_id for job_id in found if isinstance(job_id, str) and job_id}

    def _put(self, job_id: str, record: logging.LogRecord) -> None:
        if job_id not in self._waiting and len(self._waiting) >= MOST_JOBS:
            return
        waiting = self._waiting.setdefault(job_id, _Waiting())
        waiting.left_out += len(waiting.records) == MOST_LINES
        waiting.records.append(record)


def _level(record: logging.LogRecord) -> Level:
    name = record.levelname.lower()
    if name in _LEVELS:
        return name  # type: ignore[return-value]
    return "error" if record.levelno > logging.ERROR else "info"


def _short(value: object) -> object:
    """A number as a person reads it: 12.3456789 is 12.346, 0.000123456 is 0.000123."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return round(value, 3) if abs(value) >= 1 else float(f"{value:.3g}")


def _text(record: logging.LogRecord) -> str:
    assert isinstance(record.msg, dict)
    fields: dict[str, Any] = without_secrets(record.msg)
    words = [str(fields.get("event", ""))]
    told = {name: value for name, value in fields.items() if name not in _ABOUT and not name.startswith("_")}
    words += [f"{name}={_short(value)}" for name, value in told.items()]
    if record.exc_info and record.exc_info[1] is not None:
        words.append(f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")
    elif isinstance(error := fields.get("exc_info"), BaseException):
        words.append(f"{type(error).__name__}: {error}")
    return clean_line(without_secrets(" ".join(words)[:8000]).replace("\n", " ⏎ "))
