"""What a job's results come to: its leaderboard, by groups, by fields, how fast it was answered."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from vhb_api.db import queries
from vhb_api.db.tables import MetricRow, RunRow
from vhb_api.rest.context import Context, Ctx, JobId, Viewer
from vhb_api.rest.problems import documented
from vhb_api.results.summary import comparisons
from vhb_shared.contracts.comparison import Difference
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import OUTCOMES, OutcomeCounts
from vhb_shared.statistics.verdict import Verdict, judged

router = APIRouter(prefix="/jobs/{job_id}", tags=["results"], responses=documented())

_MOST_RUNS = 2_000


class MetricCell(BaseModel):
    """A metric over some samples of a run."""

    metric: str
    value: float | None = None
    ci_low: float | None = None
    """95% interval; null where the data do not say, or the report is not written yet."""
    ci_high: float | None = None
    n: int = 0
    n_scored: int = 0
    n_failed: int = 0
    value_if_failed_worst: float | None = None
    value_if_failed_best: float | None = None


class LeaderboardRun(BaseModel):
    """One line of a leaderboard."""

    run_id: str
    name: str
    model: str
    status: str
    reason: str | None
    samples: int
    counts: OutcomeCounts
    reused: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    completion_tokens: int | None
    seconds: float | None
    metrics: list[MetricCell]


class LeaderboardMetric(BaseModel):
    """A column of a leaderboard."""

    metric: str
    higher_is_better: bool | None


class LeaderboardDifference(BaseModel):
    """A run against the best one, by the first metric, corrected for all comparisons of the report."""

    metric: str
    baseline: str
    candidate: str | None
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_holm: float | None = None
    n_pairs: int | None = None
    verdict: str | None = None
    judged: Verdict | None = None
    """The same in parts, for sentences in any language."""
    left_out: str | None = None
    """Why nothing was tested."""


class Leaderboard(BaseModel):
    """Runs of one task on the same samples."""

    title: str
    task: str
    dataset: str
    dataset_digest: str
    metrics: list[LeaderboardMetric]
    runs: list[LeaderboardRun]
    """In the order of the job."""
    differences: list[LeaderboardDifference]


class JobLeaderboards(BaseModel):
    """All of a job."""

    job_id: str
    reported: bool
    """Whether intervals and differences are there: they come with the report."""
    tests: int
    """How many p values of its differences are corrected together."""
    comparisons: list[Leaderboard]


@router.get("/leaderboard")
async def leaderboard(job_id: JobId, context: Ctx, who: Viewer) -> JobLeaderboards:
    """Every run with every metric, and how the best one stands against the others."""
    plan = await context.summaries.plan(job_id)
    summary = await context.summaries.summed_up(job_id)
    said = {run["run_id"]: run for run in summary["runs"]} if summary is not None else {}
    told: Sequence[dict[str, Any]] = (summary or {}).get("differences", ())
    live = await _live(context, job_id)
    known = await context.results.directions([each for run in plan.runs for each in (run.run_id, run.results_run_id)])
    made = []
    for title, runs in comparisons(plan):
        lines = [_line(run, said.get(run.run_id), live.get(run.run_id)) for run in runs]
        labels = list(dict.fromkeys(cell.metric for line in lines for cell in line.metrics))
        directions = {metric["metric"]: metric.get("higher_is_better") for run in runs
                      for metric in said.get(run.run_id, {}).get("metrics", ())}  # fmt: skip
        names = {run.name for run in runs}
        made.append(
            Leaderboard(
                title=title,
                task=runs[0].task.comparison,
                dataset=runs[0].dataset.name,
                dataset_digest=runs[0].dataset.digest,
                metrics=[
                    LeaderboardMetric(metric=label, higher_is_better=_first(directions.get(label), known.get(label)))
                    for label in labels
                ],
                runs=lines,
                differences=[
                    _difference(each, lines, directions)
                    for each in told
                    if each.get("baseline") in names and each.get("candidate") in (None, *names)
                ],
            )
        )
    tests = sum(each.get("p_value") is not None for each in told)
    return JobLeaderboards(job_id=job_id, reported=summary is not None, tests=tests, comparisons=made)


@router.get("/performance")
async def performance(job_id: JobId, context: Ctx, who: Viewer) -> list[dict[str, float | int | str | None]]:
    """How fast each run was answered and what it cost: the rows of performance.csv."""
    await context.summaries.plan(job_id)
    return await context.summaries.performance(job_id)


def _difference(
    told: dict[str, Any], runs: Sequence[LeaderboardRun], directions: Mapping[str, bool | None]
) -> LeaderboardDifference:
    """A difference of the report with its verdict in parts."""
    made = LeaderboardDifference.model_validate(told)
    if made.candidate is None:
        return made
    # Its ends are names there, and values in what is judged.
    known = {name: value for name, value in told.items() if name not in ("baseline", "candidate")}
    found = Difference.model_validate(known | {"higher_is_better": directions.get(made.metric)})
    return made.model_copy(
        update={"judged": judged(found, _called(made.baseline, runs), _called(made.candidate, runs))}
    )


def _called(name: str, runs: Sequence[LeaderboardRun]) -> str:
    """By its model where no other run is of it, as the report does."""
    models = [run.model for run in runs]
    return next((run.model for run in runs if run.name == name and models.count(run.model) == 1), name)


def _first(*values: bool | None) -> bool | None:
    return next((value for value in values if value is not None), None)


async def _live(context: Context, job_id: str) -> dict[str, tuple[RunRow, list[MetricRow]]]:
    """Runs as the database knows them, for what is not summed up yet."""

    def ask() -> dict[str, tuple[RunRow, list[MetricRow]]]:
        with context.database.reading() as session:
            return {run.run_id: (run, metrics) for run, metrics in queries.runs(session, job_id, -1, _MOST_RUNS)}

    return await asyncio.to_thread(ask)


def _line(spec: RunSpec, said: Mapping[str, Any] | None, live: tuple[RunRow, list[MetricRow]] | None) -> LeaderboardRun:
    row, metrics = live if live is not None else (None, [])
    # A retry is newer than the report that was written before it.
    if said is not None and (row is None or row.stage == "done" or not metrics):
        times = said.get("timings") or {}
        return LeaderboardRun(
            run_id=spec.run_id,
            name=spec.name,
            model=spec.model.name,
            status=said["status"],
            reason=said.get("reason"),
            samples=spec.samples,
            counts=said["counts"],
            reused=(said.get("reused") or {}).get("count", 0),
            latency_p50_ms=times.get("latency_p50_ms"),
            latency_p95_ms=times.get("latency_p95_ms"),
            completion_tokens=times.get("completion_tokens"),
            seconds=times.get("seconds"),
            metrics=[MetricCell.model_validate(each) for each in said["metrics"]],
        )
    return LeaderboardRun(
        run_id=spec.run_id,
        name=spec.name,
        model=spec.model.name,
        status=row.status if row is not None else "running",
        reason=row.reason if row is not None else None,
        samples=spec.samples,
        counts=OutcomeCounts(**{name: getattr(row, name) for name in OUTCOMES}) if row is not None else OutcomeCounts(),
        reused=row.reused if row is not None else 0,
        latency_p50_ms=None,
        latency_p95_ms=None,
        completion_tokens=None,
        seconds=None,
        metrics=[
            MetricCell.model_validate({name: getattr(each, name, None) for name in MetricCell.model_fields})
            for each in metrics
        ],
    )
