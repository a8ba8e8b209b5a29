"""From a submission to a job whose runs are under way. Doing it twice does it once."""

import time
from datetime import UTC, datetime

import structlog

from vhb_scheduler import announcements, lifecycle, work
from vhb_scheduler.announcer import Announcer
from vhb_scheduler.planning import load_plan, make_plan
from vhb_scheduler.scopes import KnownScopes
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import SubmitJob
from vhb_shared.contracts.events import JobRejected
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.errors import Conflict, UserError
from vhb_shared.registry.registry import Registry
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

MAX_PROBLEMS = 50
"""Mistakes listed in a rejection."""


class JobOpener:
    """Validates, plans and opens jobs over a bus, a store and a registry."""

    def __init__(self, bus: Bus, store: ObjectStore, registry: Registry, announcer: Announcer) -> None:
        self._bus = bus
        self._store = store
        self._registry = registry
        self._announcer = announcer

    async def submit(self, command: SubmitJob, asked_by: str | None = None) -> None:
        """Validates, plans and opens a job, or rejects it; goes on where an earlier attempt was interrupted.

        Args:
            command: the job.
            asked_by: the run whose metrics ask its questions; None for a user's job.
        """
        known = await self._bus.jobs.get(subjects.job_key(command.job_id), JobState)
        if known is not None and known[0].status != "accepted":
            return
        plan = await load_plan(command.job_id, self._store)
        if plan is None:
            try:
                plan = await make_plan(command, self._store, self._registry, asked_by)
            except UserError as error:
                await self._reject(command, error, asked_by)
                return
        await self._open(plan, command.submitted_at)

    async def _reject(self, command: SubmitJob, error: UserError, asked_by: str | None) -> None:
        name = command.job.name if command.job else command.job_id
        problems = error.lines[:MAX_PROBLEMS]
        state = JobState(
            job_id=command.job_id,
            name=name,
            status="rejected",
            problems=problems,
            submitted_at=_time(command.submitted_at) or datetime.now(UTC).isoformat(),
            finished_at=datetime.now(UTC).isoformat(),
            asked_by=asked_by,
        )
        await self._create(subjects.job_key(command.job_id), state)
        await self._bus.publish(JobRejected(job_id=command.job_id, name=name, problems=problems, asked_by=asked_by))
        log.info("job_rejected", problems=len(error.problems))

    async def _open(self, plan: Plan, submitted_at: str) -> None:
        now = time.time()
        stages = {stage for run in plan.runs for stage in run.stages}
        job = JobState(
            job_id=plan.job_id,
            name=plan.spec.name,
            status="accepted",
            run_ids=tuple(run.run_id for run in plan.runs),
            stages=tuple(stage for stage in plan.spec.stages if stage in stages),
            submitted_at=_time(submitted_at) or plan.created_at,
            asked_by=plan.asked_by,
        )
        known = KnownScopes(self._store)
        for run in plan.runs:
            looking_up = run.reuse and await known.some(run.model)
            shown = await self._announcer.run_state(run.results_run_id) if run.results_run_id != run.run_id else None
            state = lifecycle.new_run(run, now, looking_up=looking_up, reported_on=shown)
            await self._create(subjects.run_key(run.run_id), state)
        await self._create(subjects.job_key(plan.job_id), job)
        await self._bus.publish(announcements.job_accepted(plan))
        for run in plan.runs:
            await self.open_run(run)
        await self._bus.jobs.change(
            subjects.job_key(plan.job_id),
            JobState,
            lambda state: state.model_copy(update={"status": "running"}) if state.status == "accepted" else None,
        )
        log.info("job_opened", runs=len(plan.runs), samples=sum(run.samples for run in plan.runs))
        await self._announcer.advance_job(plan.job_id)

    async def open_run(self, run: RunSpec) -> None:
        """Sets going what the run's state asks for."""
        found = await self._bus.jobs.get(subjects.run_key(run.run_id), RunState)
        if found is None:
            return
        state = found[0]
        if state.stage == "inference" and state.looking_up:
            await work.look_up(self._bus, state)
        elif state.stage == "inference":
            await work.open_inference(self._bus, run, state)
        await self._announcer.announce_run(state)

    async def _create(self, key: str, value: JobState | RunState) -> None:
        try:
            await self._bus.jobs.create(key, value)
        except Conflict:
            return  # an earlier delivery, or the other scheduler


def _time(said: str) -> str | None:
    """A time that a submission says, where it is one: anybody may publish one."""
    try:
        known = datetime.fromisoformat(said)
    except ValueError:
        return None
    return known.isoformat() if known.tzinfo is not None else None
