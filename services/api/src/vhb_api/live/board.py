"""What jobs do just now: of each thing the latest word only, so that any number of messages is little to send."""

from collections import OrderedDict, deque
from typing import Any

from pydantic import BaseModel

from vhb_shared.contracts.live import BackendTelemetry, BackendWarmup, Notice, ShardProgress

MOST_JOBS = 500
MOST_THINGS = 2000
"""Shards in flight and backend sessions of one job."""
MOST_NOTICES = 50


class News(BaseModel):
    """What is new since a client was told last."""

    progress: list[ShardProgress] = []
    telemetry: list[BackendTelemetry] = []
    warmup: list[BackendWarmup] = []
    notices: list[Notice] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.progress or self.telemetry or self.warmup or self.notices)


Thing = ShardProgress | BackendTelemetry | BackendWarmup


class _Job:
    def __init__(self) -> None:
        self.things: OrderedDict[tuple[Any, ...], tuple[int, Thing]] = OrderedDict()
        self.notices: deque[tuple[int, Notice]] = deque(maxlen=MOST_NOTICES)


class Board:
    """The latest word of everything; bounded."""

    def __init__(self) -> None:
        self.version = 0
        """Counts words."""
        self._jobs: OrderedDict[str, _Job] = OrderedDict()

    def note(self, word: Thing | Notice) -> None:
        """Takes a word in."""
        self.version += 1
        job = self._jobs.setdefault(word.job_id, _Job())
        self._jobs.move_to_end(word.job_id)
        if len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)
        if isinstance(word, Notice):
            job.notices.append((self.version, word))
            return
        key = _key(word)
        job.things.pop(key, None)
        job.things[key] = (self.version, word)
        if len(job.things) > MOST_THINGS:
            job.things.popitem(last=False)

    def since(self, job_id: str, version: int) -> News:
        """What a job has said after a version; its latest word of everything for 0."""
        job = self._jobs.get(job_id)
        if job is None:
            return News()
        fresh = []
        for at, word in reversed(job.things.values()):  # the latest last
            if at <= version:
                break
            fresh.append(word)
        return News(
            progress=[word for word in fresh if isinstance(word, ShardProgress)],
            telemetry=[word for word in fresh if isinstance(word, BackendTelemetry)],
            warmup=[word for word in fresh if isinstance(word, BackendWarmup)],
            notices=[word for at, word in job.notices if at > version],
        )

    def completed(self, job_id: str, run_id: str, shard: int) -> None:
        """A shard is in flight no more."""
        job = self._jobs.get(job_id)
        if job is not None:
            job.things.pop(("shard", run_id, shard), None)

    def in_flight(self, job_id: str, run_id: str) -> list[ShardProgress]:
        """The shards of a run that agents are in."""
        job = self._jobs.get(job_id)
        words = [word for _, word in job.things.values()] if job is not None else []
        return [word for word in words if isinstance(word, ShardProgress) and word.run_id == run_id]

    def warming(self, job_id: str) -> dict[str, BackendWarmup]:
        """What was said last of the backends that a job waits for, by session."""
        job = self._jobs.get(job_id)
        words = [word for _, word in job.things.values()] if job is not None else []
        return {word.session: word for word in words if isinstance(word, BackendWarmup)}


def _key(word: Thing) -> tuple[Any, ...]:
    if isinstance(word, ShardProgress):
        return "shard", word.run_id, word.shard
    return ("warmup" if isinstance(word, BackendWarmup) else "session"), word.session
