"""What the projection reads of job.json, where nothing else of a job's end is left."""

from typing import Literal

from vhb_shared.contracts import events
from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.events import Event
from vhb_shared.contracts.results import MetricValue, OutcomeCounts, Reused

_Status = Literal["completed", "failed", "cancelled"]


class _Metric(WireModel):
    metric: str
    value: float | None
    higher_is_better: bool | None
    n: int
    n_scored: int
    n_failed: int
    value_if_failed_worst: float | None
    value_if_failed_best: float | None

    def as_value(self) -> MetricValue:
        return MetricValue(**self.model_dump() | {"higher_is_better": self.higher_is_better is not False})


class _Run(WireModel):
    run_id: str
    name: str
    model: str
    task: str
    status: str
    reason: str | None
    counts: OutcomeCounts
    reused: Reused
    metrics: tuple[_Metric, ...]

    @property
    def ended(self) -> _Status:
        return "failed" if self.status == "failed" else "cancelled" if self.status == "cancelled" else "completed"


class JobFile(WireModel):
    """jobs/<job_id>/job.json."""

    job_id: str
    name: str
    status: str
    counts: OutcomeCounts
    runs: tuple[_Run, ...]

    def events(self) -> list[Event]:
        """What was announced to the same effect, as far as the file tells."""
        found: list[Event] = []
        for run in self.runs:
            common = {"job_id": self.job_id, "run_id": run.run_id, "name": run.name, "counts": run.counts}
            if run.ended == "failed":
                failure = events.Failure(kind="unknown", message=run.reason or "no reason was given")
                found.append(events.RunInferenceFailed(**common, failure=failure))
            metrics = tuple(metric.as_value() for metric in run.metrics)
            found.append(events.RunEvaluationCompleted(**common, reused=run.reused, metrics=metrics))
            found.append(events.RunReportCompleted(job_id=self.job_id, run_id=run.run_id, name=run.name))
        results = tuple(
            events.RunResult(
                **run.model_dump(include={"run_id", "name", "model", "task", "reason", "counts", "reused"}),
                status=run.ended,
            )
            for run in self.runs
        )
        common = {"job_id": self.job_id, "name": self.name, "counts": self.counts}
        many = {"runs": results, "runs_total": len(results)}
        if self.status == "cancelled":
            found.append(events.JobCancelled(**common))
        elif self.status == "failed":
            reasons = dict.fromkeys(run.reason for run in self.runs if run.reason)
            found.append(events.JobFailed(**common, **many, reason="; ".join(reasons) or "every run failed"))
        else:
            found.append(events.JobCompleted(**common, **many))
        return found
