"""What the routes answer with."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from vhb_api.live.held import BackendState
from vhb_api.rest.run_head import RunHead
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.placement.parts import Part


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class JobEntry(_FromRow):
    """A job."""

    job_id: str
    name: str
    status: str
    """waiting (handed in, not planned yet), running, completed, failed, cancelled or rejected."""
    round: int
    """Counts retries."""
    created_at: datetime
    finished_at: datetime | None
    runs: int
    samples: int
    counts: OutcomeCounts
    """Of samples so far, by outcome."""
    reason: str | None
    problems: list[str]
    """Why it was rejected."""
    asked_by: str | None
    """The run whose metrics ask its questions; null: a user's job."""


class MetricEntryAnswer(_FromRow):
    """A headline number."""

    metric: str
    value: float | None
    n: int
    n_scored: int
    n_failed: int
    value_if_failed_worst: float | None
    value_if_failed_best: float | None
    higher_is_better: bool


class RunEntryAnswer(_FromRow, RunHead):
    """A run."""

    backend_id: str | None
    samples: int
    shards: int
    shards_done: int
    round: int
    stage: str
    status: str
    reason: str | None
    reused: int
    counts: OutcomeCounts
    metrics: list[MetricEntryAnswer]


class BackendEntry(_FromRow):
    """One start of a backend."""

    backend_id: str
    replica: int
    session: str
    job_id: str
    model: str
    agent_id: str
    state: BackendState
    """As it is now."""
    started_at: datetime
    changed_at: datetime
    seconds_to_ready: float | None
    reason: str | None


class EventEntry(_FromRow):
    """An event."""

    id: str
    seq: int
    """Its place in the stream; 0 where it was put together from storage."""
    job_id: str
    what: str
    time: datetime
    data: dict[str, Any]


class ExplanationEntry(_FromRow):
    """Why a run is where it is."""

    run_id: str
    name: str
    what: str
    words: str
    """In English."""
    parts: list[Part]
    """The same in parts, for sentences in any language."""


class SubmittedJob(BaseModel):
    """A job that was handed in."""

    job_id: str
    name: str
    runs: int
    warnings: list[str]


class CheckedJob(BaseModel):
    """A job that could run, as far as its file tells."""

    name: str
    models: list[str]
    tasks: list[str]
    runs: int


class Artefact(BaseModel):
    """A file of a job's results."""

    name: str
    """`report.html`, `runs/<run name>/answers.csv`."""
    bytes: int


class RegistryEntry(BaseModel):
    """What a job can name."""

    name: str
    origin: str
    """Where it is written."""
    description: str | None
    entry: dict[str, Any] | None
    """What it says; none for what a package registers."""


class TokenEntry(_FromRow):
    """A token, without the token."""

    token_id: str
    name: str
    role: str
    created_at: datetime
    revoked_at: datetime | None


class AuditEntry(_FromRow):
    """A request that was meant to change something."""

    number: int
    time: datetime
    token: str
    role: str
    method: str
    path: str
    status: int
    client: str
    about: str | None
