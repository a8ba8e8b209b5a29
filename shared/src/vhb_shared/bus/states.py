"""Reading the state of jobs and runs."""

from nats.js.errors import NotFoundError

from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.errors import NotFound


class StateReader:
    """What services and the CLI ask about jobs and runs."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def job(self, job_id: str) -> JobState:
        """The job's state.

        Raises:
            NotFound: no such job.
        """
        found = await self._bus.jobs.get(subjects.job_key(job_id), JobState)
        if found is None:
            raise NotFound(f"job {job_id}")
        return found[0]

    async def submissions_waiting(self) -> bool:
        """Whether jobs were handed in that no scheduler has written down yet."""
        consumer = topology.SCHEDULER_SUBMIT
        try:
            info = await self._bus.js.consumer_info(consumer.stream, consumer.durable)
        except NotFoundError:  # nothing is provisioned yet
            return False
        return bool(info.num_pending or info.num_ack_pending)

    async def run(self, run_id: str) -> RunState:
        """The run's state.

        Raises:
            NotFound: no such run.
        """
        found = await self._bus.jobs.get(subjects.run_key(run_id), RunState)
        if found is None:
            raise NotFound(f"run {run_id}")
        return found[0]

    async def runs(self, job: JobState) -> list[RunState]:
        """The job's runs, in its order; those not written down yet are left out."""
        found = [await self._bus.jobs.get(subjects.run_key(run_id), RunState) for run_id in job.run_ids]
        return [entry[0] for entry in found if entry is not None]

    async def jobs(self) -> list[JobState]:
        """All jobs, oldest first."""
        return sorted(await self._bus.jobs.values(JobState, "job."), key=lambda job: job.submitted_at)
