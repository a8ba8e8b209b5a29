"""State in key-value buckets: the only truth about jobs and runs; changed by compare-and-set only."""

from typing import Literal

from pydantic import Field

from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry, Stage
from vhb_shared.contracts.results import MetricValue, OutcomeCounts, Reused

JobStatus = Literal["accepted", "running", "completed", "failed", "cancelled", "rejected"]
RunStatus = Literal["running", "completed", "failed", "cancelled"]
RunStage = Literal["inference", "evaluation", "reporting", "done"]
Place = Literal["devices", "slot", "remote"]
"""What a backend takes: whole devices, one of the places of a host's CPU, or nothing but an agent's attention."""


class JobState(WireModel):
    """Bucket vhb-jobs, key `job.<job_id>`."""

    job_id: str
    name: str
    status: JobStatus
    run_ids: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    round: int = 0
    announcement: int = 0
    announced_at: float = 0
    """Unix seconds of the last announcement of the job's own stage."""
    evaluated: bool = False
    """job.evaluated was announced in this round."""
    reported: bool = False
    settled: bool = False
    """It has ended and nothing more is owed to it: no service needs to look at it again."""
    cancel_requested: bool = False
    submitted_at: str = ""
    finished_at: str | None = None
    problems: tuple[str, ...] = ()
    artefacts: dict[str, str] = Field(default_factory=dict)
    asked_by: str | None = None
    """The run whose metrics ask these questions; None: a user's job."""

    @property
    def summed_up(self) -> bool:
        """Whether its runs' results are put together: metrics.csv and job.json, and a report where one is asked for."""
        return "evaluation" in self.stages or "reporting" in self.stages

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status in ("completed", "failed", "cancelled", "rejected")


class RunState(WireModel):
    """Bucket vhb-jobs, key `run.<run_id>`."""

    run_id: str
    job_id: str
    name: str
    model: str
    task: str
    backend_id: str
    stages: tuple[Stage, ...]
    stage: RunStage
    status: RunStatus = "running"
    samples: int
    shards: int
    round: int = 0
    committed: dict[int, str] = Field(default_factory=dict)
    """Shard -> token of the part that counts."""
    shard_counts: dict[int, OutcomeCounts] = Field(default_factory=dict)
    """Kept only for shards with anything but answers, to keep the state small."""
    attempts: dict[int, int] = Field(default_factory=dict)
    """Shard -> current attempt, where it is not 0."""
    keep: dict[int, str] = Field(default_factory=dict)
    """Shard -> token of the part a retry starts from."""
    ask_withdrawn: bool = True
    """Whether a retry asks withdrawn samples too."""
    left_out: tuple[int, ...] = ()
    """Shards that this round does not ask: never asked before the job was cancelled, and its retry is of failures."""
    looking_up: bool = False
    """An agent looks for answers of earlier runs; shards are announced as work when it has."""
    counts: OutcomeCounts = OutcomeCounts()
    reused: Reused = Reused()
    """Exact once the run is evaluated; without the jobs' names until then."""
    metrics: tuple[MetricValue, ...] = ()
    announcement: int = 0
    announced_at: float = 0
    started: bool = False
    cancel_requested: bool = False
    failure: Failure | None = None
    artefacts: dict[str, str] = Field(default_factory=dict)
    asking: dict[int, str] = Field(default_factory=dict)
    """Place of a metric in the task -> the job in which models are asked what it wants to know. The run is evaluated
    when all of them have ended."""
    asked: dict[int, str] = Field(default_factory=dict)
    """The same, of those that have ended in this round."""
    reported: bool = False
    """The run's report of this round is there already, though its evaluation has not been heard of."""

    @property
    def to_ask(self) -> tuple[int, ...]:
        """Shards that this round still waits for."""
        out = set(self.left_out)
        return tuple(shard for shard in range(self.shards) if shard not in self.committed and shard not in out)

    @property
    def inference_ended(self) -> bool:
        """Whether no more answers are expected in this round."""
        return self.stage != "inference"


class BackendDemand(WireModel):
    """Bucket vhb-backends, key `<backend_id>`: somebody waits for this backend."""

    backend_id: str
    model: ModelEntry
    job_ids: tuple[str, ...]
    run_ids: tuple[str, ...]
    since: dict[str, float] = Field(default_factory=dict)
    """Run -> Unix seconds since when it waits."""
    shard_size: int = 64
    """Smallest of its runs: how many samples a shard holds."""
    withdrawn: bool = False
    """The last run that wanted it was cancelled: there is no point in keeping it warm."""
    unwanted_since: float = 0
    """Unix seconds since when no run wants it."""

    @property
    def wanted_since(self) -> float:
        """Unix seconds since when the longest waiting of its runs waits; what decides who comes first."""
        return min((self.since.get(run_id, 0.0) for run_id in self.run_ids), default=0.0)


class Claim(WireModel):
    """Bucket vhb-claims, key `<backend_id>.<replica>`: expires unless renewed."""

    backend_id: str
    replica: int
    agent_id: str
    session: str


class Device(WireModel):
    """An accelerator of a host."""

    uuid: str
    """What leases and container engines name it by."""
    index: int
    name: str
    memory_gib: float
    driver: str = ""


class SessionInfo(WireModel):
    """A backend that an agent holds now."""

    backend_id: str
    replica: int
    model: str
    """Name of the entry that it was claimed for."""
    state: Literal["starting", "serving", "idle", "stopping"]
    since: float
    """Unix seconds of the last change of `state`."""
    devices: tuple[str, ...] = ()
    """Leased to it, by UUID."""
    concurrency: int = 0
    """Requests in flight that it is allowed now."""
    detail: str = ""
    """What it is doing while it starts, in the engine's own words."""
    place: Place = "slot"
    """What it takes of the host."""
    memory_gib: float = 0
    """Of the host, leased to it."""


class Trouble(WireModel):
    """A backend that could not be served and will be tried again."""

    backend_id: str
    message: str
    tries: int
    """So far."""
    next_try_at: float
    """Unix seconds."""


class AgentInfo(WireModel):
    """Bucket vhb-agents, key `<agent_id>`: expires unless renewed."""

    agent_id: str
    host: str
    pid: int
    started_at: str
    backends: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Backend adapters it can run -> environments they run in, the default first; none for what runs elsewhere."""
    environments: tuple[str, ...] = ()
    unusable: dict[str, str] = Field(default_factory=dict)
    """Environments where nothing can be run now -> why."""
    images: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Environment -> patterns of container images it may run, where not all are."""
    sessions: tuple[SessionInfo, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    devices: tuple[Device, ...] = ()
    slots: int = 1
    """Backends on this host at once."""
    remote_slots: int = 0
    """Backends elsewhere fed at once."""
    memory_gib: float | None = None
    """Of the host."""
    cpus: int | None = None
