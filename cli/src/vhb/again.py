"""Going on with a job that is there already: under way, ended, or ended with samples that have no answer."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vhb.connect import Connection


async def go_on(connection: "Connection", job_id: str) -> str | None:
    """Makes a job go on where it is; asks again what has no answer.

    Returns:
        What was done, for the user; None when there is no such job: it was not taken yet, or its working directory
        was cleaned. Submitting it under its id does the right thing in both cases.
    """
    from vhb_shared.errors import NotFound
    from vhb_shared.jobs.control import ask_again, unanswered

    try:
        job = await connection.states.job(job_id)
    except NotFound:
        return None
    if not job.ended:
        return f"Going on with {job_id}."
    missing = await unanswered(connection.states, job, failed_only=False)
    if not missing:
        return f"{job_id} is complete; nothing is asked again."
    await ask_again(connection.bus, job, failed_only=False)
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
