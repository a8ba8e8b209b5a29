"""Announces what the state of runs and jobs implies, and moves jobs on as far as their runs allow.

Everything here may be done again at any time: announcements are built from the state alone and carry deterministic
ids, so the server drops repeats.
"""

import time
from datetime import UTC, datetime

from vhb_scheduler import announcements, lifecycle, work
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects
from vhb_shared.contracts.state import JobState, RunStage, RunState

_BEFORE_REPORTING: tuple[RunStage, ...] = ("inference", "evaluation")
_BEFORE_END: tuple[RunStage, ...] = ("inference", "evaluation", "reporting")


class Announcer:
    """Reads state, changes jobs by compare-and-set, publishes events."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def run_state(self, run_id: str) -> RunState | None:
        """The run's state now."""
        found = await self._bus.jobs.get(subjects.run_key(run_id), RunState)
        return found[0] if found else None

    async def announce_run(self, run: RunState) -> None:
        """Says what the run's stage implies."""
        if run.stage != "inference":
            await work.release(self._bus, run)
        event = announcements.of_run(run)
        if event is not None:
            await self._bus.publish(event)

    async def advance_job(self, job_id: str) -> None:
        """Moves a job on as far as its runs allow, and announces it."""
        key = subjects.job_key(job_id)
        found = await self._bus.jobs.get(key, JobState)
        if found is None or found[0].status == "rejected":
            return
        job = found[0]
        if job.summed_up and not job.evaluated:
            runs = await self._runs_past(job, _BEFORE_REPORTING)
            if runs is not None:
                await self._bus.jobs.change(key, JobState, lambda job: lifecycle.job_evaluated(job, runs, time.time()))
        ended = await self._runs_past(job, _BEFORE_END)
        if ended is not None:
            now = datetime.now(UTC).isoformat()
            await self._bus.jobs.change(key, JobState, lambda job: lifecycle.job_ended(job, ended, now))
        found = await self._bus.jobs.get(key, JobState)
        if found is None:
            return
        job = found[0]
        if job.evaluated and not job.reported:
            await self._bus.publish(announcements.job_evaluated(job))
        if job.ended:
            await self.announce_job(job)

    async def announce_job(self, job: JobState) -> None:
        """Says how a job ended; nothing while it goes on."""
        runs = await self._runs_past(job, ())
        event = announcements.of_job(job, runs or [])
        if event is not None:
            await self._bus.publish(event)
        if job.asked_by is not None:
            await self.note_models_answered(job.asked_by)

    async def note_models_answered(self, run_id: str) -> None:
        """Moves a run on that waits for models, if all they were asked has an outcome by now."""
        run = await self.run_state(run_id)
        if run is None or run.stage != "evaluation" or not run.asking:
            return
        for job_id in run.asking.values():
            found = await self._bus.jobs.get(subjects.job_key(job_id), JobState)
            if found is None or not found[0].ended or await self._runs_past(found[0], _BEFORE_END) is None:
                return
        jobs, now = run.asking, time.time()
        changed = await self._bus.jobs.change(
            subjects.run_key(run_id), RunState, lambda state: lifecycle.models_answered(state, jobs, now)
        )
        if changed is not None:
            await self.announce_run(changed)

    async def _runs_past(self, job: JobState, stages: tuple[RunStage, ...]) -> list[RunState] | None:
        """All runs of a job in its order; None as soon as one is still in one of `stages`. Looks at the last run
        first: runs end more or less in order, so that an event of one run seldom costs a look at all."""
        runs: list[RunState] = []
        for run_id in reversed(job.run_ids):
            run = await self.run_state(run_id)
            if run is None:
                continue
            if run.stage in stages:
                return None
            runs.append(run)
        return runs[::-1]
