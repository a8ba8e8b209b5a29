"""job.json: the job's results for programs."""

from pydantic import BaseModel

from vhb_reporter.differing import DifferenceRow, difference_rows
from vhb_reporter.model import GENERAL, Report, RunStatus, RunView
from vhb_shared.contracts.results import OutcomeCounts, Reused


class TimingSummary(BaseModel):
    """Milliseconds and seconds as named; null where not measured."""

    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    requests: int
    retries: int
    requests_per_s: float | None
    started_at: str | None
    finished_at: str | None
    seconds: float | None


class MetricSummary(BaseModel):
    """One metric over all samples of a run."""

    metric: str
    value: float | None
    higher_is_better: bool | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_scored: int
    n_failed: int
    value_if_failed_worst: float | None
    value_if_failed_best: float | None


class RunSummaryFile(BaseModel):
    """One run."""

    run_id: str
    results_run_id: str
    name: str
    model: str
    task: str
    backend: str | None
    dataset: str
    dataset_source: str
    dataset_digest: str
    skipped_rows: int
    samples: int
    status: RunStatus
    reason: str | None
    counts: OutcomeCounts
    reused: Reused
    metrics: tuple[MetricSummary, ...]
    timings: TimingSummary


class JobSummary(BaseModel):
    """The content of job.json."""

    version: int = 1
    job_id: str
    name: str
    status: RunStatus
    submitted_at: str
    planned_at: str
    software: dict[str, str]
    counts: OutcomeCounts
    runs: tuple[RunSummaryFile, ...]
    differences: tuple[DifferenceRow, ...] = ()


def job_json(report: Report) -> str:
    """The summary of a job's report as indented JSON."""
    directions = {run.name: group.higher_is_better for group in report.groups for run in group.runs}
    states = {run.status for run in report.runs}
    status: RunStatus = "completed" if "completed" in states else "cancelled" if "cancelled" in states else "failed"
    content = JobSummary(
        job_id=report.job_id,
        name=report.title,
        status=status,
        submitted_at=report.submitted_at,
        planned_at=report.planned_at,
        software=dict(report.software),
        counts=report.counts,
        runs=tuple(_run(run, dict(directions.get(run.name, {}))) for run in report.runs),
        differences=difference_rows(report),
    )
    return content.model_dump_json(indent=2) + "\n"


def _run(run: RunView, directions: dict[str, bool]) -> RunSummaryFile:
    spec, times = run.spec, run.timings
    return RunSummaryFile(
        run_id=spec.run_id,
        results_run_id=spec.results_run_id,
        name=spec.name,
        model=spec.model.name,
        task=spec.task.name,
        backend=spec.model.backend,
        dataset=spec.dataset.name,
        dataset_source=spec.dataset.source,
        dataset_digest=spec.dataset.digest,
        skipped_rows=spec.dataset.skipped_rows,
        samples=spec.samples,
        status=run.status,
        reason=run.reason,
        counts=run.counts,
        reused=run.reused,
        metrics=tuple(
            MetricSummary(
                metric=row.metric,
                value=row.value,
                higher_is_better=directions.get(row.metric),
                ci_low=row.ci_low,
                ci_high=row.ci_high,
                n=row.n,
                n_scored=row.n_scored,
                n_failed=row.n_failed,
                value_if_failed_worst=row.worst,
                value_if_failed_best=row.best,
            )
            for row in run.metrics
            if row.level == GENERAL
        ),
        timings=TimingSummary(
            latency_p50_ms=times.latency_p50,
            latency_p95_ms=times.latency_p95,
            latency_p99_ms=times.latency_p99,
            ttft_p50_ms=times.ttft_p50,
            ttft_p95_ms=times.ttft_p95,
            prompt_tokens=times.prompt_tokens,
            completion_tokens=times.completion_tokens,
            requests=times.requests,
            retries=times.retries,
            requests_per_s=times.requests_per_s,
            started_at=times.first_at.isoformat() if times.first_at else None,
            finished_at=times.last_at.isoformat() if times.last_at else None,
            seconds=times.span_s,
        ),
    )
