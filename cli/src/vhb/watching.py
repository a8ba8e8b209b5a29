"""What a person sees while a job runs: read from state (the truth) and live messages (the hint)."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from vhb.connect import Connection
from vhb_shared.contracts import subjects
from vhb_shared.contracts.live import BackendTelemetry, Notice, ShardProgress
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.errors import NotFound, Unavailable

LOOK_EVERY_S = 0.25
RATE_WINDOW_S = 20.0
TELEMETRY_S = 8.0
"""How long what a session said of itself holds: it says it again every two seconds."""
SILENCE_S = 2.0
"""How long the server may be away before it is said: a restart takes less."""


@dataclass
class JobView:
    """A job at one moment."""

    job: JobState | None = None
    runs: list[RunState] = field(default_factory=list)
    questions: list[RunState] = field(default_factory=list)
    """Runs in which models are asked what metrics of the job want to know."""
    partial: dict[tuple[str, int], ShardProgress] = field(default_factory=dict)
    """Shards in flight."""
    sessions: dict[str, tuple[float, BackendTelemetry]] = field(default_factory=dict)
    """What backend sessions said last, and when."""
    notices: deque[Notice] = field(default_factory=lambda: deque(maxlen=50))
    noticed: int = 0
    """Notices so far."""
    waiting: dict[str, str] = field(default_factory=dict)
    """Who waits for what: warnings that have not been taken back."""
    problem: str | None = None
    """Why the view may be old."""
    hint: str | None = None
    """Why nothing has moved for a while."""
    _history: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, notice: Notice) -> None:
        """Remembers a notice; a warning holds until the same source says that all is well."""
        self.notices.append(notice)
        self.noticed += 1
        if notice.level == "info":
            self.waiting.pop(notice.source, None)
        else:
            self.waiting[notice.source] = notice.message

    def measured(self, telemetry: BackendTelemetry) -> None:
        """Remembers what a backend session does; those that say nothing any more are forgotten."""
        now = time.monotonic()
        self.sessions[telemetry.session] = now, telemetry
        self.sessions = {name: said for name, said in self.sessions.items() if now - said[0] < TELEMETRY_S}

    @property
    def telemetry(self) -> list[BackendTelemetry]:
        """What backend sessions do now."""
        now = time.monotonic()
        return [said for at, said in self.sessions.values() if now - at < TELEMETRY_S]

    def counts(self, run: RunState) -> OutcomeCounts:
        """Outcomes so far, shards in flight included."""
        counts = run.counts
        if run.stage == "inference":
            for (run_id, shard), progress in self.partial.items():
                if run_id == run.run_id and shard not in run.committed:
                    counts = counts + progress.counts
        return counts

    @property
    def _asked(self) -> list[RunState]:
        """Runs whose models are being asked."""
        return self.questions if self.stage == "questions" else self.runs

    @property
    def samples(self) -> int:
        """Samples of all runs; in the stage `questions` those that metrics ask."""
        return sum(run.samples for run in self._asked)

    @property
    def done(self) -> int:
        """Those of them with an outcome."""
        return sum(min(self.counts(run).total, run.samples) for run in self._asked)

    @property
    def failed(self) -> int:
        """Samples that failed so far."""
        return sum(self.counts(run).failed for run in self.runs)

    @property
    def stage(self) -> str:
        """The earliest stage that any run is in; `questions` while evaluation waits for models that metrics ask."""
        if self.job is None:
            return "waiting for the scheduler"
        if self.job.ended:
            return self.job.status
        stages = {run.stage for run in self.runs}
        for stage in ("inference", "evaluation", "reporting"):
            if stage in stages:
                return "questions" if stage == "evaluation" and self.questions else stage
        return "reporting" if "reporting" in self.job.stages else "finishing"

    def past(self, stage: str) -> int:
        """Runs that have left a stage behind."""
        order = ("inference", "evaluation", "reporting", "done")
        return sum(order.index(run.stage) > order.index(stage) for run in self.runs)

    def note_rate(self) -> None:
        """Remembers how far it is now. Time before the first answer does not count: a backend was starting."""
        now, done = time.monotonic(), self.done
        if self._history and done < self._history[-1][1]:
            self._history.clear()  # other samples are being asked now
        if self._history and not done and not self._history[-1][1]:
            self._history.pop()
        self._history.append((now, done))
        while len(self._history) > 2 and now - self._history[0][0] > RATE_WINDOW_S:
            self._history.popleft()

    @property
    def rate(self) -> float | None:
        """Samples per second of late."""
        if len(self._history) < 2:
            return None
        (since, before), (now, after) = self._history[0], self._history[-1]
        return (after - before) / (now - since) if now - since > 0.5 and after > before else None

    @property
    def seconds_left(self) -> float | None:
        """Until everything is asked, at the present rate."""
        rate = self.rate
        return (self.samples - self.done) / rate if rate else None


async def watch_job(connection: Connection, job_id: str, *, wait_for_it: bool = True) -> AsyncIterator[JobView]:
    """Views of a job, a few per second, until it has ended and everything owed to it is there.

    Args:
        wait_for_it: whether a job that is not known yet is waited for.

    Raises:
        NotFound: no such job.
    """
    view = JobView()

    async def on_live(message: Msg) -> None:
        with suppress(ValidationError):
            if message.subject.endswith(f".{ShardProgress.what}"):
                progress = ShardProgress.model_validate_json(message.data)
                view.partial[(progress.run_id, progress.shard)] = progress
            elif message.subject.endswith(f".{BackendTelemetry.what}"):
                view.measured(BackendTelemetry.model_validate_json(message.data))
            elif message.subject.endswith(f".{Notice.what}"):
                view.note(Notice.model_validate_json(message.data))

    heard = {job_id: await connection.bus.nc.subscribe(subjects.live_of_job(job_id), cb=on_live)}
    silent_since: float | None = None
    try:
        while True:
            try:
                view.job = await connection.states.job(job_id)
                view.runs = await connection.states.runs(view.job)
                asking = [each for run in view.runs for each in run.asking.values()]
                for each in asking:
                    if each not in heard:
                        heard[each] = await connection.bus.nc.subscribe(subjects.live_of_job(each), cb=on_live)
                view.questions = await runs_of(connection, asking)
                view.problem = silent_since = None
            except NotFound:
                if not wait_for_it:
                    raise
            except (Unavailable, NatsError, OSError):
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > SILENCE_S or not connection.bus.nc.is_connected:
                    view.problem = "the server does not answer, waiting for it"
            _forget_committed(view)
            view.note_rate()
            yield view
            if view.problem is None and _over(view):
                return
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        for subscription in heard.values():
            with suppress(Exception):
                await subscription.unsubscribe()


async def runs_of(connection: Connection, job_ids: list[str]) -> list[RunState]:
    """Runs of several jobs; a job that is not there is left out."""
    runs: list[RunState] = []
    for job_id in job_ids:
        with suppress(NotFound):
            runs += await connection.states.runs(await connection.states.job(job_id))
    return runs


def _over(view: JobView) -> bool:
    if view.job is None or not view.job.ended:
        return False
    return view.job.status == "rejected" or all(run.stage == "done" for run in view.runs)


def _forget_committed(view: JobView) -> None:
    committed = {run.run_id: run.committed for run in (*view.runs, *view.questions)}
    for key in [key for key in view.partial if key[1] in committed.get(key[0], {})]:
        del view.partial[key]
