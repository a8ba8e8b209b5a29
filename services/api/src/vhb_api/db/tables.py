"""The tables. Those of the projection hold nothing that the event stream and object storage do not: `vhb api rebuild`
makes them anew."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Index
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from vhb_api.access.roles import Role
from vhb_api.db.types import CleanText, UtcTime
from vhb_shared.contracts.job import Stage


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
        str: CleanText,
    }


class EventRow(Base):
    """An event of the stream; every other table of the projection is a function of these."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_by_job", "job_id", "seq"),
        Index("events_by_run", "run_id", "seq"),
        Index("events_by_key", "what", "key"),
        Index("events_by_seq", "seq"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """The CloudEvents id: a repeat has the same."""
    seq: Mapped[int] = mapped_column(BigInteger)
    """Its place in the stream, the first where it was announced again; 0 where it was put together from storage."""
    job_id: Mapped[str]
    run_id: Mapped[str | None]
    what: Mapped[str]
    key: Mapped[str]
    round: Mapped[int]
    time: Mapped[datetime]
    data: Mapped[dict[str, Any]]


class _Counts:
    answered: Mapped[int] = mapped_column(default=0)
    empty: Mapped[int] = mapped_column(default=0)
    truncated: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    withdrawn: Mapped[int] = mapped_column(default=0)


class JobRow(_Counts, Base):
    """A job."""

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_by_time", "created_at", "job_id"),)

    job_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[str]
    """running, completed, failed, cancelled or rejected."""
    round: Mapped[int]
    planned_at: Mapped[datetime | None]
    """What its plan says."""
    created_at: Mapped[datetime]
    """The same; where its plan is gone, when it was announced."""
    finished_at: Mapped[datetime | None]
    runs: Mapped[int]
    samples: Mapped[int]
    reason: Mapped[str | None]
    problems: Mapped[list[str]]
    asked_by: Mapped[str | None]
    """The run whose metrics ask its questions; None: a user's job."""


class RunRow(_Counts, Base):
    """A run: one model on one task."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_job", "job_id", "position"), Index("runs_by_model", "model", "task"))

    run_id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str]
    position: Mapped[int]
    """In its job."""
    name: Mapped[str]
    model: Mapped[str]
    task: Mapped[str]
    dataset: Mapped[str]
    dataset_digest: Mapped[str]
    backend_id: Mapped[str | None]
    stages: Mapped[list[Stage]] = mapped_column(JSON)
    samples: Mapped[int]
    shards: Mapped[int]
    shards_done: Mapped[int]
    round: Mapped[int]
    stage: Mapped[str]
    """inference, evaluation, reporting or done."""
    status: Mapped[str]
    """running, completed, failed or cancelled."""
    reason: Mapped[str | None]
    reused: Mapped[int]


class ShardRow(_Counts, Base):
    """A completed shard: of each round the attempt that was announced first, which is the one that counts."""

    __tablename__ = "shards"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[int]
    token: Mapped[str]
    agent_id: Mapped[str]
    seconds: Mapped[float]
    reused: Mapped[int]
    time: Mapped[datetime]


class MetricRow(Base):
    """A headline number of a run, over all its samples, in its present round."""

    __tablename__ = "metrics"
    __table_args__ = (Index("metrics_by_metric", "metric", "value"),)

    run_id: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    value: Mapped[float | None]
    n: Mapped[int]
    n_scored: Mapped[int]
    n_failed: Mapped[int]
    value_if_failed_worst: Mapped[float | None]
    value_if_failed_best: Mapped[float | None]
    higher_is_better: Mapped[bool]


class BackendRow(Base):
    """One start of a backend by an agent."""

    __tablename__ = "backends"
    __table_args__ = (Index("backends_by_time", "started_at"),)

    backend_id: Mapped[str] = mapped_column(primary_key=True)
    replica: Mapped[int] = mapped_column(primary_key=True)
    session: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str]
    """The job that it was started for."""
    model: Mapped[str]
    agent_id: Mapped[str]
    state: Mapped[str]
    """starting, ready, failed or stopped."""
    started_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    seconds_to_ready: Mapped[float | None]
    reason: Mapped[str | None]


class AgentRow(Base):
    """An agent that was heard of; which of them live now says the bus."""

    __tablename__ = "agents"

    agent_id: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class FactRow(Base):
    """What the projection knows of itself: which stream it is of."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


PROJECTION: tuple[type[Base], ...] = (EventRow, JobRow, RunRow, ShardRow, MetricRow, BackendRow, AgentRow, FactRow)
"""What a rebuild empties first."""


class TokenRow(Base):
    """A token of the REST interface; only its hash is kept. Not of the projection: a rebuild leaves it."""

    __tablename__ = "tokens"

    token_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[Role] = mapped_column(CleanText())
    hash: Mapped[str] = mapped_column(unique=True)
    """sha256 of the token, hex: a token holds 256 random bits, which no dictionary has."""
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SessionRow(Base):
    """A browser that logged in with a token, or a login code; only its hash is kept. A rebuild leaves it."""

    __tablename__ = "sessions"

    hash: Mapped[str] = mapped_column(primary_key=True)
    """sha256 of the cookie's value, hex."""
    token_id: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    code: Mapped[bool]
    """Whether it is a login code, good for being changed into a session once."""


class AuditRow(Base):
    """A request that was meant to change something, and what became of it."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    time: Mapped[datetime]
    token: Mapped[str]
    """The token's name."""
    role: Mapped[str]
    method: Mapped[str]
    path: Mapped[str]
    status: Mapped[int]
    client: Mapped[str]
    about: Mapped[str | None]
    """The job that was made, where one was."""
