"""Finding the job a person names."""

import asyncio
from collections.abc import Callable

from vhb_shared.bus.states import StateReader
from vhb_shared.contracts.state import JobState
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import NotFound, UserError

WRITTEN_DOWN_S = 30.0
"""How long a job that was just handed in may take until its scheduler has written it down."""


async def known_job(states: StateReader, job_id: str) -> JobState:
    """The job of that id; waits for it while there are jobs that were handed in and not written down.

    Raises:
        UserError: there is none; names the nearest.
    """
    give_up_at = asyncio.get_running_loop().time() + WRITTEN_DOWN_S
    waiting = True
    while True:
        try:
            return await states.job(job_id)
        except NotFound:
            if waiting and asyncio.get_running_loop().time() < give_up_at:
                # What is written down after this is seen by one more look.
                waiting = await states.submissions_waiting()
                await asyncio.sleep(0.1 if waiting else 0)
                continue
        ids = [job.job_id for job in await states.jobs()]
        raise UserError(f"There is no job {job_id!r}: {did_you_mean(job_id, ids, 'vhb status')}")


async def until_job(
    states: StateReader, job_id: str, reached: Callable[[JobState], bool], timeout_s: float = 60
) -> JobState:
    """Waits for a job's state; returns it.

    Raises:
        UserError: it was not reached in time; no scheduler seems to be at work.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                state = await states.job(job_id)
                if reached(state):
                    return state
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise UserError(
            f"No scheduler took the request for {job_id} within {timeout_s:.0f} s; it stays in the queue. "
            "Is one running?"
        ) from None
