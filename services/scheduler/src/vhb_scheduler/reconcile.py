"""Compares what should be there with what is, and announces again what went missing.

Messages can be lost to everything that at-least-once does not cover: a stream that aged out, a durable made anew, a
dead letter, a message acknowledged by a process that died before it did the next thing. Something counts as missing
only when it was missing in two looks, `PATIENCE_S` apart, so that work in flight is left alone.
"""

import asyncio
import time

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from vhb_scheduler import lifecycle, work
from vhb_scheduler.announcer import Announcer
from vhb_shared.bus.client import Bus
from vhb_shared.bus.provision import ensure_consumer
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import BackendDemand, JobState, RunState
from vhb_shared.contracts.topology import Consumer
from vhb_shared.errors import NotFound, Unavailable, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

EVERY_S = 3.0
PATIENCE_S = 10.0
LIST_EVERY_S = 15.0


class Reconciler:
    """A loop beside the scheduler's handlers; any number of them may run."""

    def __init__(self, bus: Bus, store: ObjectStore, announcer: Announcer) -> None:
        self._bus = bus
        self._store = store
        self._announcer = announcer
        self._suspects: dict[str, tuple[float, frozenset[int]]] = {}
        self._active: set[str] = set()
        self._listed_at = 0.0

    async def run(self) -> None:
        """Looks every few seconds, for ever."""
        while True:
            try:
                await self.look()
            except (TimeoutError, Unavailable, NatsError, OSError) as error:
                log.warning("reconcile_waits", reason=str(error) or type(error).__name__)
            except Exception as error:  # without this loop, what goes missing later would stay so
                log.exception("reconcile_failed", reason=str(error))
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """One look at every job that has not ended, and at runs of ended ones that still owe something."""
        now = time.monotonic()
        if now - self._listed_at > LIST_EVERY_S or not self._active:
            jobs = await self._bus.jobs.values(JobState, "job.")
            self._active = {job.job_id for job in jobs if not job.settled}
            self._listed_at = now
        for job_id in sorted(self._active):
            try:
                await self._look_at_job(job_id)
            except UserError as error:  # others do not wait for this one
                log.error("job_not_reconciled", job_id=job_id, reason=str(error))

    async def _look_at_job(self, job_id: str) -> None:
        found = await self._bus.jobs.get(subjects.job_key(job_id), JobState)
        if found is None:
            self._active.discard(job_id)
            return
        job = found[0]
        open_runs = 0
        for run_id in job.run_ids:
            run = await self._announcer.run_state(run_id)
            if run is None or run.stage == "done":
                continue
            open_runs += 1
            if run.stage == "inference" and run.looking_up:
                await self._look_at_lookup(run)
            elif run.stage == "inference":
                await self._look_at_shards(run)
            elif run.stage == "evaluation" and run.asking:
                await self._announcer.note_models_answered(run.run_id)
            elif run.stage == "evaluation":
                consumer = topology.EVALUATOR_RUN_FAILED if run.failure else topology.EVALUATOR_RUN
                await self._look_at_stage(run, consumer)
            else:
                await self._look_at_stage(run, topology.REPORTER_RUN)
        if open_runs:
            return
        if job.status == "running":
            await self._look_at_report(job)
        if job.ended:
            await self._settle(job)

    async def _settle(self, job: JobState) -> None:
        """Notes that nothing more is owed to an ended job, and removes what is left of its work (repeats that no agent
        will come for)."""
        for run_id in job.run_ids:
            run = await self._announcer.run_state(run_id)
            if run is not None and "inference" in run.stages:
                await work.withdraw(self._bus, run)
        await self._bus.jobs.change(
            subjects.job_key(job.job_id),
            JobState,
            lambda state: state.model_copy(update={"settled": True}) if state.ended else None,
        )
        self._active.discard(job.job_id)

    async def _idle(self, consumer: Consumer) -> bool:
        """Whether a durable has nothing waiting and nothing in hand."""
        info = await self._bus.js.consumer_info(consumer.stream, consumer.durable)
        return not info.num_pending and not info.num_ack_pending

    def _missing_long(self, key: str, what: frozenset[int]) -> frozenset[int]:
        """What of `what` was missing already `PATIENCE_S` ago."""
        now = time.monotonic()
        since, before = self._suspects.get(key, (now, what))
        still = before & what
        if not what:
            self._suspects.pop(key, None)
            return frozenset()
        if not still:
            self._suspects[key] = (now, what)
            return frozenset()
        self._suspects[key] = (since, still)
        if now - since < PATIENCE_S:
            return frozenset()
        del self._suspects[key]
        return still

    async def _look_at_shards(self, run: RunState) -> None:
        await ensure_consumer(self._bus.js, topology.backend_consumer(run.backend_id))
        wanted = set(run.to_ask)
        waiting = await self._waiting_shards(run)
        # The scheduler may be behind with completed shards: those are not lost, they are in its own queue.
        behind = not await self._idle(topology.SCHEDULER_SHARD)
        lost = self._missing_long(f"shards:{run.run_id}", frozenset() if behind else frozenset(wanted - waiting))
        if lost:
            log.warning("shards_requeued", run_id=run.run_id, shards=len(lost))
            changed = await self._bus.jobs.change(
                subjects.run_key(run.run_id), RunState, lambda state: lifecycle.requeue_shards(state, set(lost))
            )
            if changed is not None:
                await work.publish_shards(self._bus, changed, sorted(lost))
        await self._demanded(run)

    async def _look_at_lookup(self, run: RunState) -> None:
        """An agent looks for known answers; whether its message went missing."""
        waiting = bool(await self._waiting(subjects.reuse(run.run_id)))
        behind = not await self._idle(topology.SCHEDULER_REUSED) or not await self._idle(topology.SCHEDULER_SHARD)
        suspect = frozenset(() if waiting or behind else {0})
        if not self._missing_long(f"reuse:{run.run_id}:{run.round}", suspect):
            return
        log.warning("lookup_announced_again", run_id=run.run_id)
        changed = await self._bus.jobs.change(
            subjects.run_key(run.run_id),
            RunState,
            lambda state: lifecycle.announce_again(state, time.time()) if state.looking_up else None,
        )
        if changed is not None:
            await work.look_up(self._bus, changed)

    async def _waiting_shards(self, run: RunState) -> set[int]:
        """Shards whose message is on the work queue (waiting or in some agent's hands)."""
        found = await self._waiting(subjects.inference_of_run(run.backend_id, run.run_id))
        return {int(subject.rsplit(".", 1)[1]) for subject in found}

    async def _waiting(self, subject: str) -> set[str]:
        try:
            info = await self._bus.js.stream_info(topology.WORK, subjects_filter=subject)
        except NotFoundError:
            return set()
        return set(info.state.subjects or {})

    async def _demanded(self, run: RunState) -> None:
        found = await self._bus.backends.get(run.backend_id, BackendDemand)
        if found is not None and run.run_id in found[0].run_ids:
            return
        try:
            spec = RunSpec.model_validate_json(await self._store.get(layout.run_spec(run.run_id)))
        except NotFound:
            return
        await work.demand(self._bus, spec)

    async def _look_at_stage(self, run: RunState, consumer: Consumer) -> None:
        # What the scheduler itself has not handled yet is not lost either.
        own = (topology.SCHEDULER_QUESTIONS, topology.SCHEDULER_EVALUATED, topology.SCHEDULER_RUN_REPORTED)
        idle = await self._idle(consumer) and all([await self._idle(each) for each in own])
        if not self._missing_long(f"{run.stage}:{run.run_id}:{run.round}", frozenset({0} if idle else ())):
            return
        log.warning("run_announced_again", run_id=run.run_id, stage=run.stage)
        stage = run.stage
        changed = await self._bus.jobs.change(
            subjects.run_key(run.run_id),
            RunState,
            lambda state: lifecycle.announce_again(state, time.time()) if state.stage == stage else None,
        )
        if changed is not None:
            await self._announcer.announce_run(changed)

    async def _look_at_report(self, job: JobState) -> None:
        idle = await self._idle(topology.REPORTER_JOB)
        if not self._missing_long(f"job:{job.job_id}:{job.round}", frozenset({0} if idle else ())):
            return
        log.warning("job_announced_again", job_id=job.job_id)
        await self._bus.jobs.change(
            subjects.job_key(job.job_id),
            JobState,
            lambda state: state.model_copy(
                update={"announcement": state.announcement + 1, "announced_at": time.time()}
            ),
        )
        await self._announcer.advance_job(job.job_id)
