"""What the routes for watching ask the database. Blocking."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from vhb_api.db.tables import BackendRow, JobRow, RunRow, ShardRow

USUAL_OF = 10
"""So many earlier starts say how long one takes."""


class ShardDone(NamedTuple):
    """A completed shard, of its latest round."""

    shard: int
    round: int
    token: str
    agent_id: str
    failed: int
    samples: int


def shards(session: Session, run_id: str) -> list[ShardDone]:
    """The completed shards of a run in order, each in its latest round."""
    columns = (
        ShardRow.shard, ShardRow.round, ShardRow.token, ShardRow.agent_id, ShardRow.failed, ShardRow.answered,
        ShardRow.empty, ShardRow.truncated, ShardRow.refused, ShardRow.withdrawn,
    )  # fmt: skip
    query = select(*columns).where(ShardRow.run_id == run_id).order_by(ShardRow.shard, ShardRow.round)
    latest: dict[int, ShardDone] = {}
    for shard, round_, token, agent_id, failed, *others in session.execute(query):
        latest[shard] = ShardDone(shard, round_, token, agent_id, failed, failed + sum(others))
    return list(latest.values())


def run(session: Session, run_id: str) -> RunRow | None:
    """A run."""
    return session.get(RunRow, run_id)


def scored_runs(session: Session, job_id: str, limit: int) -> list[RunRow]:
    """Runs of a job that may have scores and are not evaluated yet, in its order."""
    query = (
        select(RunRow)
        .where(RunRow.job_id == job_id, RunRow.status == "running", RunRow.stage.in_(("inference", "evaluation")))
        .where(RunRow.shards_done > 0)
        .order_by(RunRow.position)
        .limit(limit)
    )
    return list(session.scalars(query))


def backends_of(session: Session, job: JobRow, limit: int) -> list[BackendRow]:
    """Starts of the backends that a job's runs want: those for it, and others that were there meanwhile."""
    wanted = select(RunRow.backend_id).where(RunRow.job_id == job.job_id)
    there = BackendRow.state.in_(("starting", "ready")) | (BackendRow.changed_at >= job.created_at)
    during = BackendRow.backend_id.in_(wanted) & there
    if job.finished_at is not None:
        during &= BackendRow.started_at <= job.finished_at
    query = (
        select(BackendRow)
        .where(or_(BackendRow.job_id == job.job_id, during))
        .order_by(BackendRow.started_at.desc())
        .limit(limit)
    )
    return list(session.scalars(query))


def seconds_to_ready(session: Session, backend_ids: Sequence[str], models: Sequence[str]) -> list[BackendRow]:
    """Earlier starts that succeeded, of these backends or of backends of these models, the latest first."""
    query = (
        select(BackendRow)
        .where(or_(BackendRow.backend_id.in_(backend_ids), BackendRow.model.in_(models)))
        .where(BackendRow.seconds_to_ready.is_not(None))
        .order_by(BackendRow.started_at.desc())
        .limit(USUAL_OF * 20)
    )
    return list(session.scalars(query))
