"""Jobs: handed in, listed, looked at, stopped, asked again."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, BeforeValidator, Field

from vhb_api.db import queries
from vhb_api.db.tables import JobRow, MetricRow, RunRow
from vhb_api.rest import answers
from vhb_api.rest.context import Context, Ctx, JobId, Submitting, Viewer
from vhb_api.rest.pages import Cursor, Limit, Page, place_of, written
from vhb_api.rest.problems import Failed, documented
from vhb_api.submitting.problems import problems_of
from vhb_api.submitting.submitter import Format, Refused, Wishes
from vhb_shared.bus.knowing import known_job
from vhb_shared.contracts.results import OUTCOMES
from vhb_shared.contracts.state import JobState
from vhb_shared.errors import NotFound, UserError
from vhb_shared.jobs import control
from vhb_shared.jobs.runs import meant_runs
from vhb_shared.jobs.stored import metric_named
from vhb_shared.placement.explaining import explain_job
from vhb_shared.placement.gather import gather_facts

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=documented())

_FORMATS: dict[str, Format] = {
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "application/json": "json",
    "text/csv": "csv",
}
_Status = Annotated[
    list[str],
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
_Key = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=200, description="The same key hands the job in once.")
]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string"}} for kind in ("application/yaml", "text/csv")}
        | {"application/json": {"schema": {"type": "object"}}},
        "description": "A job file, or a `user_config.csv`.",
    }
}


class _Wishes(BaseModel):
    limit: int | None = Field(None, ge=1, le=1_000_000_000, description="At most this many samples of each task.")
    skip_bad_rows: bool = Field(False, description="Leave bad rows out instead of refusing the job.")
    no_reuse: bool = Field(False, description="Ask everything, also what an earlier job has answered.")


Wanted = Annotated[_Wishes, Query()]


class Retry(BaseModel):
    """What is asked again."""

    failed_only: bool = False
    """Only what failed, not what was withdrawn by a cancellation."""


class Evaluate(BaseModel):
    """What stored answers are scored with."""

    metrics: list[str] = Field(min_length=1, max_length=100)
    """Names, with options in brackets where a metric has some."""


@router.post("", status_code=201, openapi_extra=_BODY, responses=documented(415))
async def submit(
    request: Request, context: Ctx, who: Submitting, wanted: Wanted, key: _Key = None
) -> answers.SubmittedJob:
    """Hand a job in; answers when its data are stored and its message is published."""
    wishes = Wishes(**wanted.model_dump())
    done = await context.submitter.submit(await request.body(), _format(request), wishes, _own(who.token_id, key))
    request.state.about = done.job_id
    return answers.SubmittedJob(job_id=done.job_id, name=done.name, runs=done.runs, warnings=done.warnings)


@router.post("/validate", openapi_extra=_BODY, responses=documented(415))
async def validate(request: Request, context: Ctx, who: Submitting, wanted: Wanted) -> answers.CheckedJob:
    """Check a job as far as its file tells, without its data."""
    spec = await context.submitter.checked(await request.body(), _format(request), Wishes(**wanted.model_dump()))
    runs = meant_runs(spec)
    return answers.CheckedJob(
        name=spec.name,
        models=list(dict.fromkeys(run.model for run in runs)),
        tasks=list(dict.fromkeys(run.task for run in runs)),
        runs=len(runs),
    )


@router.get("")
async def list_jobs(
    context: Ctx,
    who: Viewer,
    status: _Status = [],  # noqa: B006 - the framework copies it
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

    await _known(context, job_id)
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

    await _known(context, job_id)
    found = await asyncio.to_thread(ask)
    more = written(found[limit - 1].seq, found[limit - 1].id) if len(found) > limit else None
    return Page[answers.EventEntry](items=found[:limit], next=more)


@router.get("/{job_id}/explain")
async def explain(job_id: JobId, context: Ctx, who: Viewer) -> list[answers.ExplanationEntry]:
    """Where each run of a job is, and what it waits for."""
    job = await _needed(context, job_id)
    facts = await gather_facts(context.bus, job_id)
    return [
        answers.ExplanationEntry.model_validate(one) for one in explain_job(job, await context.states.runs(job), facts)
    ]


@router.post("/{job_id}/cancel", status_code=202, responses=documented(409))
async def cancel(job_id: JobId, context: Ctx, who: Submitting) -> dict[str, str]:
    """Stop a job; answers of complete shards are kept."""
    job = await _needed(context, job_id)
    if job.ended:
        raise Failed(409, f"{job_id} has ended already: {job.status}.")
    state = await control.cancel(context.bus, job)
    return {"job_id": job_id, "status": state.status}


@router.post("/{job_id}/retry", status_code=202, responses=documented(409))
async def retry(job_id: JobId, asked: Retry, context: Ctx, who: Submitting) -> dict[str, str]:
    """Ask again what failed or is missing in a job that has ended."""
    job = await _needed(context, job_id)
    if job.ended and not await control.unanswered(context.states, job, failed_only=asked.failed_only):
        raise Failed(409, f"There is nothing to ask again in {job_id}.")
    state = await control.ask_again(context.bus, job, failed_only=asked.failed_only)
    return {"job_id": job_id, "status": state.status}


@router.post("/{job_id}/evaluate", status_code=201)
async def evaluate(
    job_id: JobId, asked: Evaluate, request: Request, context: Ctx, who: Submitting, key: _Key = None
) -> answers.SubmittedJob:
    """Score the stored answers of a job with other metrics, as a job of its own; nothing is asked again."""
    await _needed(context, job_id)
    try:
        metrics = tuple(metric_named(name) for name in asked.metrics)
    except UserError as error:
        raise Refused(problems_of(error, "metrics")) from None
    done = await context.submitter.evaluate(job_id, metrics, _own(who.token_id, key))
    request.state.about = done.job_id
    return answers.SubmittedJob(job_id=done.job_id, name=done.name, runs=done.runs, warnings=done.warnings)


def _early(job_id: str, name: str, status: str, created_at: datetime, runs: int) -> answers.JobEntry:
    """A job that the database does not know yet."""
    return answers.JobEntry(
        job_id=job_id, name=name, status=status, round=0, created_at=created_at, finished_at=None, runs=runs,
        samples=0, counts=_counts(None), reason=None, problems=[],
        asked_by=None,
    )  # fmt: skip


def _format(request: Request) -> Format:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = _FORMATS.get(kind)
    if found is None:
        raise Failed(415, f"Say what the job is, as Content-Type: one of {', '.join(_FORMATS)}.")
    return found


def _own(token_id: str, key: str | None) -> str | None:
    """A key as its sender's: nobody else's is the same."""
    return f"{token_id}:{key}" if key else None


def _row(context: Context, job_id: str) -> JobRow | None:
    with context.database.reading() as session:
        return session.get(JobRow, job_id)


async def _state(context: Context, job_id: str) -> JobState | None:
    try:
        return await context.states.job(job_id)
    except NotFound:
        return None


async def _known(context: Context, job_id: str) -> None:
    if await asyncio.to_thread(_row, context, job_id) is None and context.submitter.recent(job_id) is None:
        await _needed(context, job_id)


async def _needed(context: Context, job_id: str) -> JobState:
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
