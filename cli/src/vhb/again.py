"""Going on with a job that is there already: under way, ended, or ended with samples that have no answer."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vhb.connect import Connection
    from vhb_shared.contracts.state import JobState


async def go_on(connection: "Connection", job_id: str) -> str | None:
    """Makes a job go on where it is; asks again what has no answer.

    Returns:
        What was done, for the user; None when there is no such job: it was not taken yet, or its working directory
        was cleaned. Submitting it under its id does the right thing in both cases.
    """
    from vhb_shared.errors import NotFound

    try:
        job = await connection.states.job(job_id)
    except NotFound:
        return None
    if not job.ended:
        return f"Going on with {job_id}."
    missing = await unanswered(connection, job, failed_only=False)
    if not missing:
        return f"{job_id} is complete; nothing is asked again."
    await ask_again(connection, job, failed_only=False)
    return (
        f"Going on with {job_id}: {missing} sample{'s' if missing > 1 else ''} without an answer will be asked again."
    )


async def was_rejected(connection: "Connection", job_id: str) -> bool:
    """Whether a job was refused: what it lacked may be there now, under a new id."""
    from vhb_shared.errors import NotFound

    try:
        return (await connection.states.job(job_id)).status == "rejected"
    except NotFound:
        return False


async def unanswered(connection: "Connection", job: "JobState", *, failed_only: bool) -> int:
    """Samples that `ask_again` would ask."""
    runs = [run for run in await connection.states.runs(job) if "inference" in run.stages]
    return sum(run.counts.failed if failed_only else run.counts.not_answered for run in runs)


async def ask_again(connection: "Connection", job: "JobState", *, failed_only: bool) -> None:
    """Opens an ended job again; returns when the scheduler has done so.

    Raises:
        UserError: a run of it is still at work, or no scheduler is.
    """
    from vhb.knowing import until_job
    from vhb_shared.contracts import subjects
    from vhb_shared.contracts.commands import RetryJob
    from vhb_shared.errors import UserError

    runs = await connection.states.runs(job)
    if not job.ended or any(run.stage != "done" for run in runs):
        raise UserError(
            f"{job.job_id} is still at work ({job.status}); wait for it (`vhb watch {job.job_id}`) or cancel it."
        )
    command = RetryJob(job_id=job.job_id, failed_only=failed_only, requested_at=datetime.now(UTC).isoformat())
    message_id = f"retry:{job.job_id}:{job.round}:{secrets.token_hex(4)}"
    await connection.bus.command(subjects.RETRY, command, message_id)
    await until_job(connection.states, job.job_id, lambda state: state.round > job.round)
