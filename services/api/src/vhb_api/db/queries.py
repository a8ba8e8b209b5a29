"""What the routes ask the database. Blocking."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Select, String, cast, func, select, tuple_
from sqlalchemy.orm import Session

from vhb_api.db.tables import BackendRow, EventRow, JobRow, MetricRow, RunRow

R = TypeVar("R")
BACKEND_KEY = BackendRow.backend_id + "/" + cast(BackendRow.replica, String) + "/" + BackendRow.session
"""Tells starts of backends apart."""


def jobs(
    session: Session,
    *,
    status: Sequence[str] = (),
    name: str | None = None,
    model: str | None = None,
    task: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    asked_by: str | None = None,
    below: tuple[datetime, str] | None = None,
    limit: int,
) -> list[JobRow]:
    """Jobs, the newest first.

    Args:
        session: of a reader.
        status: one of these; any where there are none.
        name: what the name holds, in any case.
        model, task: of a run of it.
        since, until: when it was planned.
        asked_by: jobs that ask models what metrics of this run want to know; None: jobs of users only.
        below: where the page before ended.
        limit: rows.
    """
    query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.job_id.desc()).limit(limit)
    query = query.where(JobRow.asked_by.is_(None) if asked_by is None else JobRow.asked_by == asked_by)
    if status:
        query = query.where(JobRow.status.in_(status))
    if name:
        query = query.where(JobRow.name.icontains(name, autoescape=True))
    for column, wanted in ((RunRow.model, model), (RunRow.task, task)):
        if wanted is not None:
            query = query.where(select(RunRow.run_id).where(RunRow.job_id == JobRow.job_id, column == wanted).exists())
    if since is not None:
        query = query.where(JobRow.created_at >= since)
    if until is not None:
        query = query.where(JobRow.created_at < until)
    if below is not None:
        created_at, job_id = below
        query = query.where(
            (JobRow.created_at < created_at) | ((JobRow.created_at == created_at) & (JobRow.job_id < job_id))
        )
    return _all(session, query)


def runs(session: Session, job_id: str, above: int, limit: int) -> list[tuple[RunRow, list[MetricRow]]]:
    """Runs of a job from a position on, each with its metrics."""
    query = (
        select(RunRow).where(RunRow.job_id == job_id, RunRow.position > above).order_by(RunRow.position).limit(limit)
    )
    found = _all(session, query)
    metrics = select(MetricRow).where(MetricRow.run_id.in_([run.run_id for run in found])).order_by(MetricRow.position)
    of: dict[str, list[MetricRow]] = {}
    for row in session.scalars(metrics):
        of.setdefault(row.run_id, []).append(row)
    return [(run, of.get(run.run_id, [])) for run in found]


def run_names(session: Session, job_id: str) -> dict[str, str]:
    """Name -> id of a job's runs."""
    found = session.execute(select(RunRow.name, RunRow.run_id).where(RunRow.job_id == job_id))
    return {row.name: row.run_id for row in found}


def events(session: Session, job_id: str | None, above: tuple[int, str], limit: int) -> list[EventRow]:
    """Events in the order of the stream from a place on, of one job or of all."""
    query = select(EventRow).where(tuple_(EventRow.seq, EventRow.id) > above).order_by(EventRow.seq, EventRow.id)
    if job_id is not None:
        query = query.where(EventRow.job_id == job_id)
    return _all(session, query.limit(limit))


def last_place(session: Session) -> int:
    """Where in the stream the latest event stands."""
    return int(session.scalar(select(func.coalesce(func.max(EventRow.seq), 0))) or 0)


def backends(session: Session, job_id: str | None, below: tuple[datetime, str] | None, limit: int) -> list[BackendRow]:
    """Starts of backends, the latest first."""
    query = select(BackendRow).order_by(BackendRow.started_at.desc(), BACKEND_KEY.desc()).limit(limit)
    if job_id is not None:
        query = query.where(BackendRow.job_id == job_id)
    if below is not None:
        at, name = below
        query = query.where((BackendRow.started_at < at) | ((BackendRow.started_at == at) & (name > BACKEND_KEY)))
    return _all(session, query)


def statuses(session: Session) -> dict[str, int]:
    """How many jobs are in which status."""
    found = session.execute(select(JobRow.status, func.count().label("jobs")).group_by(JobRow.status))
    return {row.status: row.jobs for row in found}


def events_between(session: Session, above: int, up_to: int, limit: int) -> list[EventRow]:
    """Events of the stream after one place and up to another, in its order."""
    query = select(EventRow).where(EventRow.seq > above, EventRow.seq <= up_to).order_by(EventRow.seq)
    return _all(session, query.limit(limit))


def moment(text: str | int) -> datetime:
    """A time of a cursor.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(str(text)).astimezone(UTC)


def _all(session: Session, query: Select[R]) -> list[R]:
    return list(session.scalars(query))
