"""Writes events and what follows from them, in the caller's transaction. Blocking.

Events and shards are merged by their place in the stream, times by least and greatest; all other rows are derived anew
from the events they rest on. So neither repeats nor the order of delivery make a difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
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
_PLANNED = (
    "job_id", "position", "name", "model", "task", "dataset", "dataset_digest", "backend_id", "samples", "shards",
)  # fmt: skip
_FIGURES = ("shards_done", "round", "stage", "status", "reason", "reused")
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
    touched = [run for run in planned if run_ids is None or run.run_id in run_ids or run.run_id not in known]
    for start in range(0, len(touched), _CHUNK):
        _derive_runs(session, touched[start : start + _CHUNK], known, end)
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


def _derive_runs(
    session: Session, planned: Sequence[Planned], known: Mapping[str, RunRow], end: Recorded | None
) -> None:
    """Rows of runs and of their metrics; what has not changed is not written."""
    ids = [run.run_id for run in planned]
    own: dict[str, list[Recorded]] = {}
    for one in _events(session, EventRow.run_id.in_(ids), EventRow.what != RunShardCompleted.what):
        own.setdefault(str(getattr(one.event, "run_id", "")), []).append(one)
    done = _shards_done(session, ids)
    metrics: dict[str, dict[str, Any]] = {}
    for run in planned:
        shards = done.get(run.run_id, ShardsDone())
        stages = run.stages or ALL_STAGES
        figures = run_figures(run.run_id, stages, run.shards, own.get(run.run_id, ()), shards, end)
        metrics[run.run_id] = {value.metric: value for value in figures.metrics}
        values = {name: getattr(run, name) for name in _PLANNED} | figures.counts.model_dump()
        values |= {name: getattr(figures, name) for name in _FIGURES} | {"stages": list(stages)}
        row = known.get(run.run_id)
        if row is None:
            session.add(RunRow(run_id=run.run_id, **values))
            continue
        for name, value in values.items():
            if getattr(row, name) != value:
                setattr(row, name, value)
    _write_metrics(session, metrics)


def _write_metrics(session: Session, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    there: dict[str, list[dict[str, Any]]] = {}
    query = select(MetricRow).where(MetricRow.run_id.in_(metrics)).order_by(MetricRow.position)
    for row in session.scalars(query):
        columns = {column.name: getattr(row, column.name) for column in MetricRow.__table__.columns}
        there.setdefault(row.run_id, []).append(columns)
    rows = []
    for run_id, values in metrics.items():
        wanted = [
            {"run_id": run_id, "position": position} | value.model_dump(exclude={"composite"})
            for position, value in enumerate(values.values())
        ]
        if wanted != there.get(run_id, []):
            session.execute(delete(MetricRow).where(MetricRow.run_id == run_id))
            rows += wanted
    if rows:
        session.execute(insert(MetricRow), rows)


def _events(session: Session, *conditions: Any) -> list[Recorded]:
    rows = session.scalars(select(EventRow).where(*conditions).order_by(EventRow.seq, EventRow.id))
    return [of_row(row) for row in rows]


def _shards_done(session: Session, run_ids: Sequence[str]) -> dict[str, ShardsDone]:
    """What the completed shards of runs add up to; a run without any is left out."""
    latest = (
        select(ShardRow.run_id, ShardRow.shard, func.max(ShardRow.round).label("round"))
        .where(ShardRow.run_id.in_(run_ids))
        .group_by(ShardRow.run_id, ShardRow.shard)
        .subquery()
    )
    same = (latest.c.run_id == ShardRow.run_id) & (latest.c.shard == ShardRow.shard)
    found = session.execute(
        select(
            ShardRow.run_id,
            func.count(),
            func.sum(ShardRow.reused),
            func.max(ShardRow.round),
            *(func.sum(getattr(ShardRow, name)) for name in _COUNTS),
        )
        .join(latest, same & (latest.c.round == ShardRow.round))
        .group_by(ShardRow.run_id)
    )
    sums: dict[str, ShardsDone] = {}
    for run_id, count, reused, round_, *counts in found:
        outcomes = OutcomeCounts(**{name: int(value) for name, value in zip(_COUNTS, counts, strict=True)})
        sums[run_id] = ShardsDone(int(count), outcomes, int(reused), int(round_))
    return sums


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
    if not rows:
        return
    upsert: Any = postgresql.insert if dialect_name(session) == "postgresql" else sqlite.insert
    # One statement for a row each: compiled once and for ever, where one for all rows is anew for each number of them.
    statement = upsert(table.__table__)
    new, old = statement.excluded, table.__table__.c
    changed = {column.name: new[column.name] for column in old if column.name not in keys}
    better = (new[earliest] != 0) & ((old[earliest] == 0) | (new[earliest] < old[earliest]))
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed, where=better), list(rows))
    session.expire_all()
