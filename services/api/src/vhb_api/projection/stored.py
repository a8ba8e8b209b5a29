"""Jobs as object storage and the key-value buckets hold them: what their events said, put together again."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from vhb_api.projection.recorded import MADE_UP, Recorded
from vhb_api.projection.summary import JobFile
from vhb_shared.bus.client import Bus
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts import events
from vhb_shared.contracts.events import Event
from vhb_shared.contracts.plan import Plan
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)


class StoredJobs:
    """Reads plans, summaries and states of jobs."""

    def __init__(self, bus: Bus, store: ObjectStore) -> None:
        self._states = StateReader(bus)
        self._store = store

    async def plan(self, job_id: str) -> Plan | None:
        """What the scheduler resolved the job to; None when it is gone or cannot be read."""
        try:
            return Plan.model_validate_json(await self._store.get(layout.plan(job_id)))
        except NotFound:
            return None
        except ValidationError as error:
            log.warning("plan_not_understood", job_id=job_id, mistakes=error.error_count())
            return None

    async def older_than_the_stream(
        self, known: Collection[str]
    ) -> AsyncIterator[tuple[str, Plan | None, list[Recorded]]]:
        """Jobs that are stored and not among the `known`, each with its plan and the events that its rows rest on."""
        prefix = layout.job_prefix("")[:-1]
        async for info in self._store.list(prefix):
            job_id = info.key.removeprefix(prefix).partition("/")[0]
            if info.key != layout.plan(job_id) or job_id in known:
                continue
            plan = await self.plan(job_id)
            if plan is not None:
                yield job_id, plan, [Recorded(MADE_UP, time, event) for event, time in await self._events(plan)]
        for job in await self._states.jobs():
            if job.status == "rejected" and job.job_id not in known:  # it never had a plan
                event = events.JobRejected(**job.model_dump(include={"job_id", "name", "problems", "asked_by"}))
                time = datetime.fromisoformat(job.finished_at or job.submitted_at).astimezone(UTC)
                yield job.job_id, None, [Recorded(MADE_UP, time, event)]

    async def _events(self, plan: Plan) -> list[tuple[Event, datetime]]:
        planned_at = datetime.fromisoformat(plan.created_at).astimezone(UTC)
        accepted = events.JobAccepted(
            job_id=plan.job_id, name=plan.spec.name, runs=(), runs_total=len(plan.runs), asked_by=plan.asked_by
        )
        found: list[tuple[Event, datetime]] = [(accepted, planned_at)]
        try:
            job = await self._states.job(plan.job_id)
        except NotFound:
            summary = await self._summary(plan.job_id)
            return found + [(event, planned_at) for event in (summary.events() if summary is not None else ())]
        runs = await self._states.runs(job)
        ended_at = datetime.fromisoformat(job.finished_at).astimezone(UTC) if job.finished_at else planned_at
        for run in runs:
            found += [(event, ended_at) for event in _of_run(run)]
        end = _of_job(job, runs)
        return [*found, (end, ended_at)] if end is not None else found

    async def _summary(self, job_id: str) -> JobFile | None:
        try:
            return JobFile.model_validate_json(await self._store.get(layout.job_file(job_id, "job.json")))
        except NotFound:
            return None
        except ValidationError as error:
            log.warning("summary_not_understood", job_id=job_id, mistakes=error.error_count())
            return None


def _of_run(run: RunState) -> list[Event]:
    common = {"job_id": run.job_id, "run_id": run.run_id, "name": run.name, "round": run.round}
    found: list[Event] = []
    if run.failure is not None:
        found.append(events.RunInferenceFailed(**common, failure=run.failure, counts=run.counts))
    if run.stage in ("reporting", "done"):
        about = {"counts": run.counts, "reused": run.reused, "metrics": run.metrics, "artefacts": run.artefacts}
        found.append(events.RunEvaluationCompleted(**common, **about))
    if run.stage == "done" and "reporting" in run.stages:
        found.append(events.RunReportCompleted(**common))
    return found


def _of_job(job: JobState, runs: list[RunState]) -> Event | None:
    counts = sum((run.counts for run in runs), OutcomeCounts())
    common = {"job_id": job.job_id, "name": job.name, "round": job.round, "counts": counts}
    if job.status == "cancelled":
        return events.JobCancelled(**common)
    results = tuple(
        events.RunResult(
            **run.model_dump(include={"run_id", "name", "model", "task", "reused", "metrics", "counts"}),
            status="completed" if run.status == "running" else run.status,
            reason=run.failure.message if run.failure is not None else None,
        )
        for run in runs
    )
    if job.status == "completed":
        return events.JobCompleted(**common, runs=results, runs_total=len(runs))
    if job.status == "failed":
        reasons = dict.fromkeys(run.failure.message for run in runs if run.failure)
        reason = "; ".join(reasons) or "every run failed"
        return events.JobFailed(**common, runs=results, runs_total=len(runs), reason=reason)
    return None
