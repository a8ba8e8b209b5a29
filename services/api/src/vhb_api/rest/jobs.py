"""Jobs: listed and looked at."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from vhb_api.db import queries
from vhb_api.db.tables import JobRow, MetricRow, RunRow
from vhb_api.rest import answers
from vhb_api.rest.context import Context, Ctx, JobId, Viewer
from vhb_api.rest.pages import Cursor, Limit, Page, place_of, written
from vhb_api.rest.problems import Failed, documented
from vhb_shared.bus.knowing import known_job
from vhb_shared.contracts.results import OUTCOMES
from vhb_shared.contracts.state import JobState
from vhb_shared.errors import NotFound, UserError
from vhb_shared.placement.explaining import explain_job
from vhb_shared.placement.gather import gather_facts

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=documented())

_Status = Annotated[
    tuple[str, ...],
    Query(max_length=10, description="running, completed, failed, cancelled, rejected; several are any of them."),
]
_Text = Annotated[str | None, Query(max_length=200)]


def _moment(text: object) -> object:
    """RFC 3339 and nothing else: a bare number would be taken for a time too."""
    if isinstance(text, str):
        try:
            time = datetime.fromisoformat(text)
            if "T" in text.upper() and time.tzinfo is not None:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValueError("expected a time as in 2026-01-31T12:00:00Z")
    return text


_Time = Annotated[datetime | None, BeforeValidator(_moment), Query(description="As 2026-01-31T12:00:00Z.")]


@router.get("")
async def list_jobs(
    context: Ctx,
    who: Viewer,
    status: _Status = (),
    name: _Text = None,
    model: _Text = None,
    task: _Text = None,
    since: _Time = None,
    until: _Time = None,
    asked_by: _Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[answers.JobEntry]:
    """Jobs, the newest first; those in which metrics of a run ask models only with `asked_by`."""
    place = place_of(cursor, str, str)
    try:
        below = (queries.moment(place[0]), str(place[1])) if place is not None else None
    except (ValueError, OverflowError):
        raise Failed(400, "This cursor is none that was given out: leave it away to begin anew.") from None

    def ask() -> list[JobRow]:
        with context.database.reading() as session:
            return queries.jobs(
                session, status=status, name=name, model=model, task=task, since=since, until=until,
                asked_by=asked_by, below=below, limit=limit + 1,
            )  # fmt: skip

    found = await asyncio.to_thread(ask)
    more = written(found[limit - 1].created_at.isoformat(), found[limit - 1].job_id) if len(found) > limit else None
    return Page[answers.JobEntry](items=[_job(row) for row in found[:limit]], next=more)


@router.get("/{job_id}")
async def show(job_id: JobId, context: Ctx, who: Viewer) -> answers.JobEntry:
    """One job."""
    found = await asyncio.to_thread(_row, context, job_id)
    if found is not None:
        return _job(found)
    state = await _state(context, job_id)
    if state is not None:
        created_at = datetime.fromisoformat(state.submitted_at).astimezone(UTC)
        return _early(job_id, state.name, "running", created_at, len(state.run_ids))
    recent = context.submitter.recent(job_id)
    if recent is not None:
        return _early(job_id, recent.name, "waiting", recent.at, recent.runs)
    raise NotFound(f"job {job_id}")


@router.get("/{job_id}/runs")
async def list_runs(
    job_id: JobId, context: Ctx, who: Viewer, limit: Limit = 100, cursor: Cursor = None
) -> Page[answers.RunEntryAnswer]:
    """The runs of a job in its order, with their headline numbers."""
    place = place_of(cursor, int)

    def ask() -> list[tuple[RunRow, list[MetricRow]]]:
        with context.database.reading() as session:
            return queries.runs(session, job_id, int(place[0]) if place is not None else -1, limit + 1)

    await check_known(context, job_id)
    found = await asyncio.to_thread(ask)
    more = written(found[limit - 1][0].position) if len(found) > limit else None
    return Page[answers.RunEntryAnswer](items=[_run(*pair) for pair in found[:limit]], next=more)


@router.get("/{job_id}/events")
async def list_events(
    job_id: JobId, context: Ctx, who: Viewer, limit: Limit = 100, cursor: Cursor = None
) -> Page[answers.EventEntry]:
    """What happened to a job, in order."""
    place = place_of(cursor, int, str)
    above = (int(place[0]), str(place[1])) if place is not None else (-1, "")

    def ask() -> list[answers.EventEntry]:
        with context.database.reading() as session:
            rows = queries.events(session, job_id, above, limit + 1)
            return [answers.EventEntry.model_validate(row) for row in rows]

    await check_known(context, job_id)
    found = await asyncio.to_thread(ask)
    more = written(found[limit - 1].seq, found[limit - 1].id) if len(found) > limit else None
    return Page[answers.EventEntry](items=found[:limit], next=more)


@router.get("/{job_id}/explain")
async def explain(job_id: JobId, context: Ctx, who: Viewer) -> list[answers.ExplanationEntry]:
    """Where each run of a job is, and what it waits for."""
    job = await needed(context, job_id)
    # What engines write while they start is told with the starts of backends.
    facts = replace(await gather_facts(context.bus, job_id), engine_lines=False)
    return [
        answers.ExplanationEntry.model_validate(one) for one in explain_job(job, await context.states.runs(job), facts)
    ]


def _early(job_id: str, name: str, status: str, created_at: datetime, runs: int) -> answers.JobEntry:
    """A job that the database does not know yet."""
    return answers.JobEntry(
        job_id=job_id, name=name, status=status, round=0, created_at=created_at, finished_at=None, runs=runs,
        samples=0, counts=_counts(None), reason=None, problems=[],
        asked_by=None,
    )  # fmt: skip


def _row(context: Context, job_id: str) -> JobRow | None:
    with context.database.reading() as session:
        return session.get(JobRow, job_id)


async def _state(context: Context, job_id: str) -> JobState | None:
    try:
        return await context.states.job(job_id)
    except NotFound:
        return None


async def check_known(context: Context, job_id: str) -> None:
    """Whether there is such a job, planned already or not.

    Raises:
        NotFound: there is none.
    """
    if await asyncio.to_thread(_row, context, job_id) is None and context.submitter.recent(job_id) is None:
        await needed(context, job_id)


async def needed(context: Context, job_id: str) -> JobState:
    """The job's state: the truth, for what is to be changed."""
    try:
        return await known_job(context.states, job_id)
    except UserError:
        raise NotFound(f"job {job_id}") from None


def _counts(row: Any) -> Any:
    return {name: getattr(row, name) if row is not None else 0 for name in OUTCOMES}


def _job(row: JobRow) -> answers.JobEntry:
    names = set(answers.JobEntry.model_fields) - {"counts"}
    return answers.JobEntry(**{name: getattr(row, name) for name in names}, counts=_counts(row))


def _run(row: RunRow, metrics: list[MetricRow]) -> answers.RunEntryAnswer:
    names = set(answers.RunEntryAnswer.model_fields) - {"counts", "metrics"}
    shown = [answers.MetricEntryAnswer.model_validate(metric) for metric in metrics]
    return answers.RunEntryAnswer(**{name: getattr(row, name) for name in names}, counts=_counts(row), metrics=shown)
