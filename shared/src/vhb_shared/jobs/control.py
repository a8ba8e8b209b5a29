"""Cancelling a job, and asking again what has no answer: what the command line and the management plane both do."""

import secrets
from datetime import UTC, datetime

from vhb_shared.bus.client import Bus
from vhb_shared.bus.knowing import until_job
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import CancelJob, RetryJob
from vhb_shared.contracts.state import JobState
from vhb_shared.errors import UserError


async def cancel(bus: Bus, job: JobState) -> JobState:
    """Stops a job that has not ended; returns when the scheduler has taken it: with its state, which is `cancelled`
    unless it had just ended otherwise.

    Raises:
        UserError: no scheduler took the request.
    """
    command = CancelJob(job_id=job.job_id, requested_at=datetime.now(UTC).isoformat())
    await bus.command(subjects.CANCEL, command, f"cancel:{job.job_id}:{job.round}")
    return await until_job(StateReader(bus), job.job_id, lambda state: state.ended)


async def unanswered(states: StateReader, job: JobState, *, failed_only: bool) -> int:
    """Samples that `ask_again` would ask."""
    runs = [run for run in await states.runs(job) if "inference" in run.stages]
    return sum(run.counts.failed if failed_only else run.counts.not_answered for run in runs)


async def ask_again(bus: Bus, job: JobState, *, failed_only: bool) -> JobState:
    """Opens an ended job again; returns its state when the scheduler has done so.

    Raises:
        UserError: a run of it is still at work, or no scheduler is.
    """
    states = StateReader(bus)
    if not job.ended or any(run.stage != "done" for run in await states.runs(job)):
        raise UserError(
            f"{job.job_id} is still at work ({job.status}); wait for it (`vhb watch {job.job_id}`) or cancel it."
        )
    command = RetryJob(job_id=job.job_id, failed_only=failed_only, requested_at=datetime.now(UTC).isoformat())
    message_id = f"retry:{job.job_id}:{job.round}:{secrets.token_hex(4)}"
    await bus.command(subjects.RETRY, command, message_id)
    return await until_job(states, job.job_id, lambda state: state.round > job.round)
