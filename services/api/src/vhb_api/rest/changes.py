"""Jobs: handed in, stopped, asked again, scored anew."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field

from vhb_api.rest import answers
from vhb_api.rest.context import Ctx, JobId, Submitting
from vhb_api.rest.jobs import needed
from vhb_api.rest.problems import Failed, documented
from vhb_api.submitting.problems import problems_of
from vhb_api.submitting.submitter import Format, Refused, Wishes
from vhb_shared.errors import UserError
from vhb_shared.jobs import control
from vhb_shared.jobs.runs import meant_runs
from vhb_shared.jobs.stored import metric_named

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=documented())

_FORMATS: dict[str, Format] = {
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "application/json": "json",
    "text/csv": "csv",
}
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


@router.post("/{job_id}/cancel", status_code=202, responses=documented(409))
async def cancel(job_id: JobId, context: Ctx, who: Submitting) -> dict[str, str]:
    """Stop a job; answers of complete shards are kept."""
    job = await needed(context, job_id)
    if job.ended:
        raise Failed(409, f"{job_id} has ended already: {job.status}.")
    state = await control.cancel(context.bus, job)
    return {"job_id": job_id, "status": state.status}


@router.post("/{job_id}/retry", status_code=202, responses=documented(409))
async def retry(job_id: JobId, asked: Retry, context: Ctx, who: Submitting) -> dict[str, str]:
    """Ask again what failed or is missing in a job that has ended."""
    job = await needed(context, job_id)
    if job.ended and not await control.unanswered(context.states, job, failed_only=asked.failed_only):
        raise Failed(409, f"There is nothing to ask again in {job_id}.")
    state = await control.ask_again(context.bus, job, failed_only=asked.failed_only)
    return {"job_id": job_id, "status": state.status}


@router.post("/{job_id}/evaluate", status_code=201)
async def evaluate(
    job_id: JobId, asked: Evaluate, request: Request, context: Ctx, who: Submitting, key: _Key = None
) -> answers.SubmittedJob:
    """Score the stored answers of a job with other metrics, as a job of its own; nothing is asked again."""
    await needed(context, job_id)
    try:
        metrics = tuple(metric_named(name) for name in asked.metrics)
    except UserError as error:
        raise Refused(problems_of(error, "metrics")) from None
    done = await context.submitter.evaluate(job_id, metrics, _own(who.token_id, key))
    request.state.about = done.job_id
    return answers.SubmittedJob(job_id=done.job_id, name=done.name, runs=done.runs, warnings=done.warnings)


def _format(request: Request) -> Format:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = _FORMATS.get(kind)
    if found is None:
        raise Failed(415, f"Say what the job is, as Content-Type: one of {', '.join(_FORMATS)}.")
    return found


def _own(token_id: str, key: str | None) -> str | None:
    """A key as its sender's: nobody else's is the same."""
    return f"{token_id}:{key}" if key else None
