"""What the scheduler tells the world about a state: built from the state alone, so that a repeat says the same."""

from datetime import datetime

from vhb_shared.contracts.events import (
    MAX_RUNS,
    Event,
    Failure,
    JobAccepted,
    JobCancelled,
    JobCompleted,
    JobEvaluated,
    JobFailed,
    RunEvaluationCompleted,
    RunInferenceCompleted,
    RunInferenceFailed,
    RunResult,
    RunSummary,
)
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState


def job_accepted(plan: Plan) -> JobAccepted:
    """The job is valid and its runs are planned."""
    return JobAccepted(
        job_id=plan.job_id,
        name=plan.spec.name,
        runs=tuple(_summary(run) for run in plan.runs[:MAX_RUNS]),
        runs_total=len(plan.runs),
        asked_by=plan.asked_by,
    )


def _summary(run: RunSpec) -> RunSummary:
    return RunSummary(
        run_id=run.run_id,
        name=run.name,
        model=run.model.name,
        task=run.task.name,
        dataset=run.dataset.name,
        dataset_digest=run.dataset.digest,
        samples=run.samples,
        shards=run.shards,
    )


def of_run(run: RunState) -> Event | None:
    """The event that makes the run's next stage start; None while it is in inference or done."""
    common = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "name": run.name,
        "round": run.round,
        "announcement": run.announcement,
    }
    if run.stage == "evaluation":
        if run.failure is not None:
            return RunInferenceFailed(**common, failure=run.failure, counts=run.counts)
        return RunInferenceCompleted(**common, samples=run.samples, counts=run.counts)
    if run.stage == "reporting" and (run.announcement or not run.metrics or "evaluation" not in run.stages):
        # The evaluator announced it; said again only when that went missing, or when evaluation was not asked for.
        return RunEvaluationCompleted(
            **common, counts=run.counts, reused=run.reused, metrics=run.metrics, artefacts=run.artefacts
        )
    return None


def job_evaluated(job: JobState) -> JobEvaluated:
    """What the job report waits for."""
    return JobEvaluated(job_id=job.job_id, name=job.name, round=job.round, announcement=job.announcement)


def _result(run: RunState) -> RunResult:
    return RunResult(
        run_id=run.run_id,
        name=run.name,
        model=run.model,
        task=run.task,
        status="completed" if run.status == "running" else run.status,
        counts=run.counts,
        reused=run.reused,
        metrics=run.metrics,
        reason=run.failure.message if run.failure else None,
    )


def total_counts(runs: list[RunState]) -> OutcomeCounts:
    """Outcomes over all runs."""
    return sum((run.counts for run in runs), OutcomeCounts())


def of_job(job: JobState, runs: list[RunState]) -> Event | None:
    """The event that ends the job; None while it goes on."""
    common = {"job_id": job.job_id, "name": job.name, "round": job.round, "counts": total_counts(runs)}
    results = {"runs": tuple(_result(run) for run in runs[:MAX_RUNS]), "runs_total": len(runs)}
    if job.status == "completed":
        return JobCompleted(**common, **results, artefacts=job.artefacts, seconds=_seconds(job))
    if job.status == "failed":
        reasons = dict.fromkeys(run.failure.message for run in runs if run.failure)
        return JobFailed(**common, **results, artefacts=job.artefacts, reason="; ".join(reasons) or "every run failed")
    if job.status == "cancelled":
        return JobCancelled(**common)
    return None


def _seconds(job: JobState) -> float | None:
    if not job.submitted_at or job.finished_at is None:
        return None
    took = datetime.fromisoformat(job.finished_at) - datetime.fromisoformat(job.submitted_at)
    return round(took.total_seconds(), 3)


def backend_failure(message: str) -> Failure:
    """A run's failure because its backend could not serve it."""
    return Failure(kind="backend", message=message)
