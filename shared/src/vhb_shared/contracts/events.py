"""What happened: CloudEvents on `vhb.events.<job_id>.<what>`. Past tense, public interface."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.comparison import Comparison, GateResult
from vhb_shared.contracts.results import MetricValue, OutcomeCounts, Reused

MAX_RUNS = 200
"""Runs listed in one event: a message stays small. Where there are more, `runs_total` says so and job.json has all."""
MAX_MESSAGE_CHARS = 2000


def _bounded(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE_CHARS else message[: MAX_MESSAGE_CHARS - 3] + "..."


class Event(WireModel):
    """Base of all events. `what` names the kind; `key` says which one it is, so that a repeat has the same id."""

    what: ClassVar[str]
    job_id: str

    @property
    def key(self) -> str:
        """What tells this event from others of its kind in its job."""
        return ""

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"org.vlmhyperbench.{self.what}.v{self.version}"

    @property
    def id(self) -> str:
        """Deterministic: the same happening has the same id however often it is announced."""
        return ":".join(part for part in (self.job_id, self.what, self.key) if part)


class RunSummary(WireModel):
    """A run as events name it."""

    run_id: str
    name: str
    model: str
    task: str
    dataset: str
    dataset_digest: str
    samples: int
    shards: int


class Failure(WireModel):
    """A failure as data."""

    kind: str
    message: Annotated[str, BeforeValidator(_bounded)]
    """A sentence a user can act on; bounded."""
    retryable: bool = False


class JobAccepted(Event):
    """The job is valid and its runs are planned."""

    what: ClassVar[str] = "job.accepted"
    name: str
    runs: tuple[RunSummary, ...]
    """At most `MAX_RUNS`."""
    runs_total: int = 0
    asked_by: str | None = None
    """The run whose metrics ask these questions (`run.questions.asked`); None: a user's job."""


class JobRejected(Event):
    """The job cannot be run as it is written."""

    what: ClassVar[str] = "job.rejected"
    name: str
    problems: tuple[str, ...]
    asked_by: str | None = None
    """As in `job.accepted`."""


class _JobEnded(Event):
    name: str
    round: int = 0
    """Counts retries of the job; 0 is the first time."""
    counts: OutcomeCounts = OutcomeCounts()

    @property
    def key(self) -> str:
        return str(self.round)


class RunResult(WireModel):
    """A run's end as `job.completed` carries it."""

    run_id: str
    name: str
    model: str
    task: str
    status: Literal["completed", "failed", "cancelled"]
    counts: OutcomeCounts
    reused: Reused = Reused()
    metrics: tuple[MetricValue, ...] = ()
    reason: str | None = None


class JobCompleted(_JobEnded):
    """All stages of all runs are done; some samples or runs may have failed, see `counts` and `runs`."""

    what: ClassVar[str] = "job.completed"
    runs: tuple[RunResult, ...] = ()
    """At most `MAX_RUNS`."""
    runs_total: int = 0
    artefacts: dict[str, str] = Field(default_factory=dict)
    """Name -> key in object storage."""
    seconds: float | None = None
    """From submission to the end; of a job that was retried, to the end of the last round."""


class JobFailed(_JobEnded):
    """No run of the job could be completed."""

    what: ClassVar[str] = "job.failed"
    runs: tuple[RunResult, ...] = ()
    """At most `MAX_RUNS`."""
    runs_total: int = 0
    reason: Annotated[str, BeforeValidator(_bounded)]
    artefacts: dict[str, str] = Field(default_factory=dict)


class JobCancelled(_JobEnded):
    """Stopped on request; what was answered until then is kept."""

    what: ClassVar[str] = "job.cancelled"


class _RunEvent(Event):
    run_id: str
    name: str
    round: int = 0
    announcement: int = 0
    """Counts repeats that must get through although the message was already sent once."""

    @property
    def key(self) -> str:
        return f"{self.run_id}:{self.round}:{self.announcement}"


class RunInferenceStarted(_RunEvent):
    """The first shard of the run is being answered."""

    what: ClassVar[str] = "run.inference.started"
    backend_id: str
    samples: int
    agent_id: str


class RunShardCompleted(_RunEvent):
    """An attempt at a shard is in object storage; the scheduler decides whether it is the one that counts."""

    what: ClassVar[str] = "run.shard.completed"
    shard: int
    attempt: int
    token: str
    """Names the part: runs/<run_id>/answers/part-<shard>.<token>.parquet."""
    part_key: str
    sha256: str
    counts: OutcomeCounts
    reused: int = 0
    """Of them, answers that earlier runs got."""
    seconds: float
    """Time spent on it by this attempt."""
    agent_id: str

    @property
    def key(self) -> str:
        return f"{self.run_id}:{self.round}:{self.shard}:{self.attempt}:{self.token}"


class RunAnswersReused(_RunEvent):
    """Shards whose answers were all known from earlier runs are in object storage; the others can be asked."""

    what: ClassVar[str] = "run.answers.reused"
    shards: int
    """Complete without asking."""
    samples: int
    """In these shards. Shards in part are completed when the rest is asked."""
    agent_id: str


class RunInferenceCompleted(_RunEvent):
    """Every shard of the run has a committed part."""

    what: ClassVar[str] = "run.inference.completed"
    samples: int
    counts: OutcomeCounts


class RunInferenceFailed(_RunEvent):
    """Inference of the run was given up; samples without an answer count as failed."""

    what: ClassVar[str] = "run.inference.failed"
    failure: Failure
    counts: OutcomeCounts


class Questions(WireModel):
    """What one metric of a run wants to know from models."""

    metric: int
    """Its place among the metrics of the task."""
    dataset_digest: str
    """The questions, as a data set in object storage."""
    samples: int
    """How many different ones."""


class RunQuestionsAsked(_RunEvent):
    """Metrics of the run ask models about its answers; the scheduler makes a job of each metric's questions, and the
    run is evaluated when those have ended."""

    what: ClassVar[str] = "run.questions.asked"
    questions: tuple[Questions, ...]


class RunEvaluationCompleted(_RunEvent):
    """Answers are collected and, where metrics were asked for, scored and aggregated."""

    what: ClassVar[str] = "run.evaluation.completed"
    counts: OutcomeCounts
    reused: Reused = Reused()
    metrics: tuple[MetricValue, ...] = ()
    artefacts: dict[str, str] = Field(default_factory=dict)


class RunEvaluationFailed(_RunEvent):
    """The answers could not be scored."""

    what: ClassVar[str] = "run.evaluation.failed"
    failure: Failure


class RunReportCompleted(_RunEvent):
    """The run's report is in object storage."""

    what: ClassVar[str] = "run.report.completed"
    artefacts: dict[str, str] = Field(default_factory=dict)
    failure: Failure | None = None
    """Why there is none, when it could not be written; the results stand without it."""


class JobEvaluated(Event):
    """Every run of the job has been evaluated or has failed; what the job report waits for."""

    what: ClassVar[str] = "job.evaluated"
    name: str
    round: int = 0
    announcement: int = 0

    @property
    def key(self) -> str:
        return f"{self.round}:{self.announcement}"


class JobReportCompleted(Event):
    """The job's report is in object storage."""

    what: ClassVar[str] = "job.report.completed"
    name: str
    round: int = 0
    announcement: int = 0
    artefacts: dict[str, str] = Field(default_factory=dict)
    failure: Failure | None = None
    """Why there is none, when it could not be written; the results stand without it."""

    @property
    def key(self) -> str:
        return f"{self.round}:{self.announcement}"


class _BackendEvent(Event):
    backend_id: str
    model: str
    agent_id: str
    replica: int = 0
    session: str = ""
    """Tells one start of the backend from the next."""

    @property
    def key(self) -> str:
        return f"{self.backend_id}:{self.replica}:{self.session}"


class BackendStarting(_BackendEvent):
    """An agent claimed the backend and starts it."""

    what: ClassVar[str] = "backend.starting"


class BackendReady(_BackendEvent):
    """The backend answers."""

    what: ClassVar[str] = "backend.ready"
    seconds: float
    """From claim to ready."""


class BackendFailed(_BackendEvent):
    """The backend could not be started, or died too often."""

    what: ClassVar[str] = "backend.failed"
    failure: Failure
    log_tail: tuple[str, ...] = ()


class BackendStopped(_BackendEvent):
    """The backend is gone, as intended."""

    what: ClassVar[str] = "backend.stopped"
    reason: str


MAX_DIFFERENCES = 60
"""Differences listed in one event."""


class ComparedRun(WireModel):
    """A run that was compared."""

    job_id: str
    run_id: str
    name: str
    model: str
    task: str


class _Compared(Event):
    runs: tuple[ComparedRun, ...]
    """The baseline first; at most `MAX_RUNS`. The event is about the job of the second."""
    dataset_digest: str
    comparisons: tuple[Comparison, ...]
    """Over all samples, without groups; at most `MAX_DIFFERENCES` differences in all."""
    differences_total: int
    verdicts: tuple[Annotated[str, BeforeValidator(_bounded)], ...] = ()
    """A sentence for each difference."""
    gates: tuple[GateResult, ...] = ()
    """Conditions that were asked for, at most `MAX_DIFFERENCES`; failed ones first."""
    token: str
    """The start of the sha256 of the whole result: the same comparison again is the same event."""

    @property
    def key(self) -> str:
        return self.token


class ComparisonCompleted(_Compared):
    """Runs were compared, and no condition of a gate failed."""

    what: ClassVar[str] = "comparison.completed"


class ComparisonFailed(_Compared):
    """Runs were compared, and a condition failed (`vhb compare --fail-if`)."""

    what: ClassVar[str] = "comparison.failed"


EVENTS: tuple[type[Event], ...] = (
    JobAccepted, JobRejected, JobCompleted, JobFailed, JobCancelled,
    RunAnswersReused, RunInferenceStarted, RunShardCompleted, RunInferenceCompleted, RunInferenceFailed,
    RunQuestionsAsked, RunEvaluationCompleted, RunEvaluationFailed, RunReportCompleted,
    JobEvaluated, JobReportCompleted,
    BackendStarting, BackendReady, BackendFailed, BackendStopped,
    ComparisonCompleted, ComparisonFailed,
)  # fmt: skip
"""Every event, in the order in which a job meets them."""
