"""Handing a job in without waiting for its data to be read: what it is at can be asked, also after a reload."""

from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from vhb_api.rest import answers
from vhb_api.rest.context import Ctx, Submitting
from vhb_api.rest.handing_in import BODY, IdempotencyKey, UploadQuery, Wanted, handed_in, own_key
from vhb_api.rest.problems import documented
from vhb_api.submitting.problems import Problem
from vhb_api.submitting.tracked import State, Submission

router = APIRouter(prefix="/submissions", tags=["jobs"], responses=documented(415))


class SubmissionState(BaseModel):
    """A job on its way in."""

    submission_id: str
    state: State
    """waiting (for others' data to be read), reading, handed_in, refused or failed (problems say why)."""
    lines: list[str]
    """What is done, the latest last."""
    problems: list[Problem]
    job: answers.SubmittedJob | None
    """The job, once it is handed in."""
    changed_at: datetime


@router.post("", status_code=202, openapi_extra=BODY)
async def start(
    request: Request,
    context: Ctx,
    who: Submitting,
    wanted: Wanted,
    upload: UploadQuery = None,
    key: IdempotencyKey = None,
) -> SubmissionState:
    """Hand a job in, as `POST /jobs` does, and answer at once."""
    own = own_key(who.token_id, key)
    known = context.submissions.same(who.token_id, own)
    if known is None:
        async with AsyncExitStack() as held:
            handed = await held.enter_async_context(handed_in(request, context, who, upload))
            known = context.submissions.start(handed, wanted.wishes(), own, who.token_id, held.pop_all())
    request.state.about = known.submission_id
    return _shown(known)


@router.get("/{submission_id}")
async def show(
    submission_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")], context: Ctx, who: Submitting
) -> SubmissionState:
    """What it is at."""
    return _shown(context.submissions.find(submission_id, who.token_id))


def _shown(submission: Submission) -> SubmissionState:
    done = submission.submitted
    job = None
    if done is not None:
        job = answers.SubmittedJob(job_id=done.job_id, name=done.name, runs=done.runs, warnings=done.warnings)
    return SubmissionState(
        submission_id=submission.submission_id,
        state=submission.state,
        lines=submission.lines,
        problems=submission.problems,
        job=job,
        changed_at=submission.changed_at,
    )
