"""The last lines that engines and services wrote about each job, for whoever comes late; bounded."""

from collections import OrderedDict, deque
from typing import NamedTuple

from pydantic import BaseModel

from vhb_shared.contracts.live import Level, LogLines

MOST_JOBS = 200
MOST_LINES = 1000
MOST_CHARACTERS = 256 << 10
"""Of the lines of one job."""


class LogEntry(BaseModel):
    """A line, or where some were left out."""

    at: float
    """Unix seconds."""
    level: Level
    source: str
    """`engine`, or a service."""
    name: str
    """The model's, of an engine."""
    session: str | None
    text: str
    left_out: int = 0
    """Lines that were too many to be told stood here; the text is empty."""


class Told(NamedTuple):
    """Lines after a place."""

    lines: list[LogEntry]
    place: int


class _Job:
    def __init__(self) -> None:
        self.entries: deque[tuple[int, LogEntry]] = deque()
        self.characters = 0


class LogBoard:
    """The last lines of each job."""

    def __init__(self) -> None:
        self.version = 0
        """Counts lines."""
        self._jobs: OrderedDict[str, _Job] = OrderedDict()

    def note(self, said: LogLines) -> None:
        """Takes lines in."""
        job = self._jobs.setdefault(said.job_id, _Job())
        self._jobs.move_to_end(said.job_id)
        if len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)
        about = {"source": said.source, "name": said.name, "session": said.session}
        if said.left_out:
            at = said.lines[0].at if said.lines else 0.0
            self._put(job, LogEntry(**about, at=at, level="info", text="", left_out=said.left_out))
        for line in said.lines:
            self._put(job, LogEntry(**about, at=line.at, level=line.level, text=line.text))

    def since(self, job_id: str, place: int) -> Told:
        """What was said of a job after a place; all that is known for 0."""
        job = self._jobs.get(job_id)
        fresh: list[LogEntry] = []
        for at, entry in reversed(job.entries if job is not None else ()):
            if at <= place:
                break
            fresh.append(entry)
        return Told(fresh[::-1], self.version)

    def _put(self, job: _Job, entry: LogEntry) -> None:
        self.version += 1
        job.entries.append((self.version, entry))
        job.characters += len(entry.text)
        while len(job.entries) > MOST_LINES or job.characters > MOST_CHARACTERS:
            job.characters -= len(job.entries.popleft()[1].text)
