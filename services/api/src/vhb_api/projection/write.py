"""Writes events and what follows from them, in the caller's transaction. Blocking.

Events and shards are merged by their place in the stream, times by least and greatest; all other rows are derived anew
from the events they rest on. So neither repeats nor the order of delivery make a difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vhb_api.db.database import dialect_name
from vhb_api.db.tables import AgentRow, BackendRow, Base, EventRow, JobRow, MetricRow, RunRow, ShardRow
from vhb_api.projection.backends import BACKEND_EVENTS, backend_row
from vhb_api.projection.jobs import Planned, end_that_stands, job_row, planned_runs
from vhb_api.projection.recorded import Recorded, as_row, of_row
from vhb_api.projection.runs import ALL_STAGES, ShardsDone, job_end, run_figures
from vhb_shared.contracts.events import (
    JobAccepted,
    JobCancelled,
    JobCompleted,
    JobEvaluated,
    JobFailed,
    JobRejected,
    JobReportCompleted,
    RunShardCompleted,
)
from vhb_shared.contracts.plan import Plan
from vhb_shared.contracts.results import OUTCOMES, OutcomeCounts

_JOB_EVENTS = (JobAccepted, JobRejected, JobCompleted, JobFailed, JobCancelled, JobEvaluated, JobReportCompleted)
_OF_JOB = tuple(event.what for event in _JOB_EVENTS)
_COUNTS = tuple(OUTCOMES)
_CHUNK = 200
"""Rows in one statement: databases bound the parameters of one."""


def apply(session: Session, batch: Sequence[Recorded], plans: Mapping[str, Plan]) -> None:
    """Takes events in.

    Args:
        session: a writer's transaction.
        batch: events, in any order.
        plans: of jobs whose acceptance is among them, where the plan is still stored; else the event has to do, which
            names a bounded number of runs.
    """
    _merge_events(session, batch)
    _merge_shards(session, [one for one in batch if isinstance(one.event, RunShardCompleted)])
    _merge_agents(session, batch)
    _derive_backends(session, {one.event.key for one in batch if isinstance(one.event, BACKEND_EVENTS)})
    jobs: dict[str, set[str]] = {}
    for one in batch:
        run_id = getattr(one.event, "run_id", None)
        if run_id is not None or one.event.what in _OF_JOB:
            jobs.setdefault(one.event.job_id, set()).update({run_id} if run_id is not None else set())
    whole = {one.event.job_id for one in batch if one.event.what in _OF_JOB}
    for job_id, run_ids in jobs.items():
        derive_job(session, job_id, plans.get(job_id), None if job_id in whole else run_ids)


def derive_job(session: Session, job_id: str, plan: Plan | None, run_ids: set[str] | None) -> None:
    """The rows of a job and of its runs, from the events.

    Args:
        session: a writer's transaction.
        job_id: the job.
        plan: its plan, where it is at hand.
        run_ids: the runs to look at; None: all of them.
    """
    own = _events(session, EventRow.job_id == job_id, EventRow.what.in_(_OF_JOB))
    accepted = next((one for one in own if isinstance(one.event, JobAccepted)), None)
    known = {row.run_id: row for row in session.scalars(select(RunRow).where(RunRow.job_id == job_id))}
    planned = planned_runs(plan, accepted, known.values())
    rounds = session.execute(
        select(EventRow.run_id, EventRow.round, EventRow.seq).where(
            EventRow.job_id == job_id, EventRow.run_id.is_not(None), EventRow.what != RunShardCompleted.what
        )
    ).all()
    last = job_end(own)
    end = end_that_stands(last, [(str(run_id), int(round_), int(seq)) for run_id, round_, seq in rounds])
    was = session.get(JobRow, job_id)
    # What ended, or was opened again, concerns all of its runs.
    if was is None or (was.status == "running") != (end is None):
        run_ids = None
    for run in planned:
        if run_ids is None or run.run_id in run_ids or run.run_id not in known:
            _derive_run(session, run, end)
    session.flush()
    row = job_row(job_id, plan, own, end, last, was.planned_at if was is not None else None)
    if row is None:
        return
    sums = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(RunRow.samples), 0),
            *(func.coalesce(func.sum(getattr(RunRow, name)), 0) for name in _COUNTS),
        ).where(RunRow.job_id == job_id)
    ).one()
    totals = {name: int(value) for name, value in zip(("runs", "samples", *_COUNTS), sums, strict=True)}
    session.merge(JobRow(**row, **totals))
    session.flush()


def _derive_run(session: Session, run: Planned, end: Recorded | None) -> None:
    own = _events(session, EventRow.run_id == run.run_id, EventRow.what != RunShardCompleted.what)
    figures = run_figures(run.run_id, run.stages or ALL_STAGES, run.shards, own, _shards_done(session, run.run_id), end)
    session.merge(
        RunRow(
            run_id=run.run_id,
            job_id=run.job_id,
            position=run.position,
            name=run.name,
            model=run.model,
            task=run.task,
            dataset=run.dataset,
            dataset_digest=run.dataset_digest,
            backend_id=run.backend_id,
            stages=list(run.stages or ALL_STAGES),
            samples=run.samples,
            shards=run.shards,
            shards_done=figures.shards_done,
            round=figures.round,
            stage=figures.stage,
            status=figures.status,
            reason=figures.reason,
            reused=figures.reused,
            **figures.counts.model_dump(),
        )
    )
    session.execute(delete(MetricRow).where(MetricRow.run_id == run.run_id))
    rows = [
        {"run_id": run.run_id, "position": position} | value.model_dump(exclude={"composite"})
        for position, value in enumerate({value.metric: value for value in figures.metrics}.values())
    ]
    if rows:
        session.execute(MetricRow.__table__.insert(), rows)  # type: ignore[attr-defined]


def _events(session: Session, *conditions: Any) -> list[Recorded]:
    rows = session.scalars(select(EventRow).where(*conditions).order_by(EventRow.seq, EventRow.id))
    return [of_row(row) for row in rows]


def _shards_done(session: Session, run_id: str) -> ShardsDone:
    latest = (
        select(ShardRow.shard, func.max(ShardRow.round).label("round"))
        .where(ShardRow.run_id == run_id)
        .group_by(ShardRow.shard)
        .subquery()
    )
    found = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(ShardRow.reused), 0),
            func.coalesce(func.max(ShardRow.round), 0),
            *(func.coalesce(func.sum(getattr(ShardRow, name)), 0) for name in _COUNTS),
        )
        .join(latest, (latest.c.shard == ShardRow.shard) & (latest.c.round == ShardRow.round))
        .where(ShardRow.run_id == run_id)
    ).one()
    counts = OutcomeCounts(**{name: int(value) for name, value in zip(_COUNTS, found[3:], strict=True)})
    return ShardsDone(int(found[0]), counts, int(found[1]), int(found[2]))


def _derive_backends(session: Session, keys: Iterable[str]) -> None:
    whats = tuple(event.what for event in BACKEND_EVENTS)
    for key in sorted(keys):
        events = _events(session, EventRow.what.in_(whats), EventRow.key == key)
        session.merge(BackendRow(**backend_row(events)))
    session.flush()


def _merge_events(session: Session, batch: Sequence[Recorded]) -> None:
    firsts: dict[str, Recorded] = {}
    for one in sorted(batch, key=_first):
        firsts.setdefault(one.event.id, one)
    _upsert(session, EventRow, ("id",), [as_row(one) for one in firsts.values()], "seq")


def _merge_shards(session: Session, batch: Sequence[Recorded]) -> None:
    firsts: dict[tuple[str, int, int], dict[str, Any]] = {}
    for one in sorted(batch, key=_first):
        event = one.event
        assert isinstance(event, RunShardCompleted)
        row = event.model_dump(
            include={"run_id", "shard", "round", "attempt", "token", "agent_id", "seconds", "reused"}
        )
        row |= event.counts.model_dump() | {"seq": one.seq, "time": one.time}
        firsts.setdefault((event.run_id, event.shard, event.round), row)
    _upsert(session, ShardRow, ("run_id", "shard", "round"), list(firsts.values()), "seq")


def _first(one: Recorded) -> tuple[bool, int]:
    # What was put together from storage (0) gives way to what was really announced.
    return one.seq == 0, one.seq


def _merge_agents(session: Session, batch: Sequence[Recorded]) -> None:
    seen: dict[str, list[Any]] = {}
    for one in batch:
        agent_id = getattr(one.event, "agent_id", None)
        if agent_id:
            seen.setdefault(agent_id, []).append(one.time)
    for agent_id, times in sorted(seen.items()):
        known = session.get(AgentRow, agent_id)
        if known is not None:
            times += [known.first_seen_at, known.last_seen_at]
        session.merge(AgentRow(agent_id=agent_id, first_seen_at=min(times), last_seen_at=max(times)))
    session.flush()


def _upsert(
    session: Session, table: type[Base], keys: tuple[str, ...], rows: Sequence[dict[str, Any]], earliest: str
) -> None:
    """Inserts rows; where the key is taken the one with the lesser `earliest` stays, any rather than none (0)."""
    insert: Any = postgresql.insert if dialect_name(session) == "postgresql" else sqlite.insert
    for start in range(0, len(rows), _CHUNK):
        statement = insert(table).values(list(rows[start : start + _CHUNK]))
        new, old = statement.excluded, table.__table__.c
        changed = {column.name: new[column.name] for column in old if column.name not in keys}
        better = (new[earliest] != 0) & ((old[earliest] == 0) | (new[earliest] < old[earliest]))
        session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed, where=better))
    session.expire_all()
