"""Jobs: handed in, stopped, asked again, scored anew."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from vhb_api.rest import answers
from vhb_api.rest.context import Ctx, JobId, Submitting
from vhb_api.rest.handing_in import BODY, IdempotencyKey, UploadQuery, Wanted, handed_in, own_key
from vhb_api.rest.jobs import needed
from vhb_api.rest.problems import Failed, documented
from vhb_api.submitting.problems import Refused, problems_of
from vhb_shared.errors import UserError
from vhb_shared.jobs import control
from vhb_shared.jobs.runs import meant_runs
from vhb_shared.jobs.stored import metric_named

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=documented())


class Retry(BaseModel):
    """What is asked again."""

    failed_only: bool = False
    """Only what failed, not what was withdrawn by a cancellation."""


class Evaluate(BaseModel):
    """What stored answers are scored with."""

    metrics: list[str] = Field(min_length=1, max_length=100)
    """Names, with options in brackets where a metric has some."""


@router.post("", status_code=201, openapi_extra=BODY, responses=documented(415))
async def submit(
    request: Request,
    context: Ctx,
    who: Submitting,
    wanted: Wanted,
    upload: UploadQuery = None,
    key: IdempotencyKey = None,
) -> answers.SubmittedJob:
    """Hand a job in; answers when its data are stored and its message is published."""
    async with handed_in(request, context, who, upload) as handed:
        done = await context.submitter.submit(handed, wanted.wishes(), own_key(who.token_id, key))
    request.state.about = done.job_id
    return answers.SubmittedJob(job_id=done.job_id, name=done.name, runs=done.runs, warnings=done.warnings)


@router.post("/validate", openapi_extra=BODY, responses=documented(415))
async def validate(
    request: Request, context: Ctx, who: Submitting, wanted: Wanted, upload: UploadQuery = None
) -> answers.CheckedJob:
    """Check a job as far as its file tells, without its data."""
    async with handed_in(request, context, who, upload) as handed:
        spec = await context.submitter.checked(handed, wanted.wishes())
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
    job_id: JobId, asked: Evaluate, request: Request, context: Ctx, who: Submitting, key: IdempotencyKey = None
) -> answers.SubmittedJob:
    """Score the stored answers of a job with other metrics, as a job of its own; nothing is asked again."""
    await needed(context, job_id)
    try:
        metrics = tuple(metric_named(name, "metrics") for name in asked.metrics)
    except UserError as error:
        raise Refused(problems_of(error, "metrics")) from None
    done = await context.submitter.evaluate(job_id, metrics, own_key(who.token_id, key))
    request.state.about = done.job_id
    return answers.SubmittedJob(job_id=done.job_id, name=done.name, runs=done.runs, warnings=done.warnings)
