"""What the scheduler does with each message. Idempotent: every handler may run twice, and two schedulers at once.

Each one changes state by compare-and-set and then announces what the state implies, whether or not it was this call
that changed it: a process that dies between the two is made good by the message's next delivery.
"""

import time
from datetime import UTC, datetime

from vhb_scheduler import lifecycle, work
from vhb_scheduler.announcer import Announcer
from vhb_scheduler.opening import JobOpener
from vhb_scheduler.planning import load_plan
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import CancelJob, RetryJob, SubmitJob
from vhb_shared.contracts.events import (
    BackendFailed,
    JobReportCompleted,
    RunAnswersReused,
    RunEvaluationCompleted,
    RunEvaluationFailed,
    RunInferenceStarted,
    RunQuestionsAsked,
    RunReportCompleted,
    RunShardCompleted,
)
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import BackendDemand, JobState, RunState
from vhb_shared.errors import NotFound
from vhb_shared.jobs.questions import question_job, question_job_id
from vhb_shared.registry.registry import Registry
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


class SchedulerHandlers:
    """The scheduler's message handlers over a bus, a store and a registry."""

    def __init__(self, bus: Bus, store: ObjectStore, registry: Registry, announcer: Announcer) -> None:
        self._bus = bus
        self._announcer = announcer
        self._store = store
        self._opener = JobOpener(bus, store, registry, announcer)

    # -- commands ---------------------------------------------------------------------------------------------------

    async def submit(self, command: SubmitJob) -> None:
        """Validates, plans and opens a job; goes on where an earlier attempt was interrupted."""
        await self._opener.submit(command)

    async def cancel(self, command: CancelJob) -> None:
        """Stops a job: no more answers are asked for; what is there is collected."""

        def mark(job: JobState) -> JobState | None:
            if job.ended:
                return None
            return job.model_copy(
                update={"status": "cancelled", "cancel_requested": True, "finished_at": datetime.now(UTC).isoformat()}
            )

        await self._bus.jobs.change(subjects.job_key(command.job_id), JobState, mark)
        found = await self._bus.jobs.get(subjects.job_key(command.job_id), JobState)
        if found is None or found[0].status != "cancelled":
            return
        for run_id in found[0].run_ids:
            await self._bus.jobs.change(
                subjects.run_key(run_id), RunState, lambda run: lifecycle.cancel_run(run, time.time())
            )
            run = await self._announcer.run_state(run_id)
            if run is not None and run.cancel_requested:
                await work.withdraw(self._bus, run)
                await self._cancel_questions(run)
                await self._announcer.announce_run(run)
        await self._announcer.announce_job(found[0])

    async def _cancel_questions(self, run: RunState) -> None:
        """A cancelled run is evaluated without what models have not answered yet."""
        for job_id in run.asking.values():
            await self.cancel(CancelJob(job_id=job_id))

    async def retry(self, command: RetryJob) -> None:
        """Opens what failed or is missing in an ended job again."""
        found = await self._bus.jobs.get(subjects.job_key(command.job_id), JobState)
        if found is None:
            return
        job = found[0]
        if job.ended:
            opened = False
            for run_id in job.run_ids:
                changed = await self._bus.jobs.change(
                    subjects.run_key(run_id),
                    RunState,
                    lambda run: lifecycle.retry_run(run, failed_only=command.failed_only, now=time.time()),
                )
                run = changed or await self._announcer.run_state(run_id)
                opened = opened or (run is not None and run.stage == "inference")
            if not opened:
                return
            await self._bus.jobs.change(subjects.job_key(command.job_id), JobState, _reopen)
        plan = await load_plan(command.job_id, self._store)
        for run_spec in plan.runs if plan else ():
            await self._opener.open_run(run_spec)

    # -- events -----------------------------------------------------------------------------------------------------

    async def answers_reused(self, event: RunAnswersReused) -> None:
        """Announces the shards of a run that earlier runs did not answer."""
        await self._bus.jobs.change(
            subjects.run_key(event.run_id), RunState, lambda run: lifecycle.looked_up(run, event.round)
        )
        run = await self._announcer.run_state(event.run_id)
        if run is None or run.stage != "inference" or run.looking_up or run.round != event.round:
            return
        try:
            spec = RunSpec.model_validate_json(await self._store.get(layout.run_spec(event.run_id)))
        except NotFound:
            return
        await work.open_inference(self._bus, spec, run)

    async def inference_started(self, event: RunInferenceStarted) -> None:
        """Notes that a run is under way."""
        await self._bus.jobs.change(
            subjects.run_key(event.run_id),
            RunState,
            lambda run: None if run.started else run.model_copy(update={"started": True}),
        )

    async def shard_completed(self, event: RunShardCompleted) -> None:
        """Commits the first completed attempt of a shard."""
        changed = await self._bus.jobs.change(
            subjects.run_key(event.run_id), RunState, lambda run: lifecycle.commit_shard(run, event, time.time())
        )
        run = changed or await self._announcer.run_state(event.run_id)
        if run is not None and run.stage == "evaluation":
            await self._announcer.announce_run(run)

    async def backend_failed(self, event: BackendFailed) -> None:
        """Gives up the runs of one job that wait for a backend that cannot serve them."""
        found = await self._bus.backends.get(event.backend_id, BackendDemand)
        job = await self._bus.jobs.get(subjects.job_key(event.job_id), JobState)
        if job is None:
            return
        waiting = found[0].run_ids if found else ()
        for run_id in job[0].run_ids:
            run = await self._announcer.run_state(run_id)
            if run is None or run.backend_id != event.backend_id:
                continue
            if run.stage == "inference" and run_id in waiting:
                await self._bus.jobs.change(
                    subjects.run_key(run_id),
                    RunState,
                    lambda state: lifecycle.fail_inference(state, event.failure, time.time()),
                )
                await self._bus.purge_work(subjects.inference_of_run(run.backend_id, run_id))
            fresh = await self._announcer.run_state(run_id)
            if fresh is not None and fresh.stage == "evaluation":
                await self._announcer.announce_run(fresh)

    async def questions_asked(self, event: RunQuestionsAsked) -> None:
        """Makes a job of what each metric of a run asks; the run's evaluation waits for them."""
        run = await self._announcer.run_state(event.run_id)
        if run is None or run.stage != "evaluation" or run.round != event.round or run.asking or run.asked:
            return
        spec = RunSpec.model_validate_json(await self._store.get(layout.run_spec(event.run_id)))
        job = await self._bus.jobs.get(subjects.job_key(event.job_id), JobState)
        jobs: dict[int, str] = {}
        for questions in event.questions:
            jobs[questions.metric] = question_job_id(event.run_id, event.round, questions.metric)
            command = SubmitJob(
                job_id=jobs[questions.metric],
                job=question_job(spec, questions, job[0].name if job else event.job_id),
                submitted_at=datetime.now(UTC).isoformat(),
            )
            await self._opener.submit(command, asked_by=event.run_id)
        await self._bus.jobs.change(
            subjects.run_key(event.run_id), RunState, lambda state: lifecycle.ask_models(state, jobs, event.round)
        )
        # They may have been cancelled or have ended while they were not written down.
        run = await self._announcer.run_state(event.run_id)
        if run is not None and run.cancel_requested:
            await self._cancel_questions(run)
        await self._announcer.note_models_answered(event.run_id)

    async def evaluation_completed(self, event: RunEvaluationCompleted) -> None:
        """A run is scored."""
        await self._bus.jobs.change(
            subjects.run_key(event.run_id), RunState, lambda run: lifecycle.complete_evaluation(run, event, time.time())
        )
        await self._announcer.advance_job(event.job_id)

    async def evaluation_failed(self, event: RunEvaluationFailed) -> None:
        """A run could not be scored."""
        await self._bus.jobs.change(
            subjects.run_key(event.run_id),
            RunState,
            lambda run: lifecycle.fail_evaluation(run, event.failure, event.round),
        )
        await self._announcer.advance_job(event.job_id)

    async def run_reported(self, event: RunReportCompleted) -> None:
        """A run's report is there."""
        await self._bus.jobs.change(
            subjects.run_key(event.run_id), RunState, lambda run: lifecycle.complete_report(run, event)
        )
        await self._announcer.advance_job(event.job_id)

    async def job_reported(self, event: JobReportCompleted) -> None:
        """The job's report is there."""
        await self._bus.jobs.change(
            subjects.job_key(event.job_id), JobState, lambda job: lifecycle.job_reported(job, event)
        )
        await self._announcer.advance_job(event.job_id)


def _reopen(job: JobState) -> JobState | None:
    if not job.ended:
        return None
    return job.model_copy(
        update={
            "status": "running",
            "round": job.round + 1,
            "announcement": 0,
            "evaluated": False,
            "reported": False,
            "cancel_requested": False,
            "settled": False,
            "finished_at": None,
        }
    )
