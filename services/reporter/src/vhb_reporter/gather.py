"""Reads a job's or a run's stored results into a `Report`. What is missing is shown as missing, never guessed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from vhb_reporter import exports, per_sample, results
from vhb_reporter.differences import against_best
from vhb_reporter.disagreement import most_disagreed
from vhb_reporter.files import ReportFiles
from vhb_reporter.grouping import Direction, compared, labelled
from vhb_reporter.language import speaking
from vhb_reporter.measures import Timings
from vhb_reporter.model import Report, RunStatus, RunView
from vhb_reporter.samples import SamplePicker, Tables
from vhb_reporter.variants import compared_groups
from vhb_shared.contracts.job import ReportLanguage
from vhb_shared.contracts.judges import Panel, Panels
from vhb_shared.contracts.performance import Performance
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.results import OutcomeCounts, Reused
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.datasets.selection import run_samples
from vhb_shared.errors import NotFound
from vhb_shared.reuse.count import count_reused
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

FAILURES_SHOWN = 20
"""Samples without an answer that are listed per run."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A run as read: its view, the tables behind it, its metrics as text, the directions of its metrics."""

    view: RunView
    tables: Tables
    metrics: pl.DataFrame | None
    directions: Direction
    composite: Mapping[str, bool]
    """Metric label -> whether its group values are no sums over samples."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A job's report with what it was made of."""

    report: Report
    metrics: pl.DataFrame
    """The rows of all runs at all levels but by_id, as text."""
    tables: Mapping[str, Tables]
    """Run id -> files."""
    files: ReportFiles


_RESULTS = (
    "answers.parquet", "scores.parquet", "replicates.parquet", "metrics.csv", "environment.json",
    "metric_environments.json", "performance.json", "judges.json",
)  # fmt: skip


class Gatherer:
    """Reads results. See `ReporterHandlers` for the arguments."""

    def __init__(
        self,
        store: ObjectStore,
        pinned: Callable[[str], Awaitable[Path]],
        load_run_state: Callable[[str], Awaitable[RunState]],
        load_job_state: Callable[[str], Awaitable[JobState]],
    ) -> None:
        self._store = store
        self._pinned = pinned
        self._load_run_state = load_run_state
        self._load_job_state = load_job_state

    async def run_report(self, spec: RunSpec) -> Report:
        """The report of one run; without images, for it is Markdown only."""
        async with ReportFiles(self._store, self._pinned) as files:
            report = await self._report([await self._read(spec, files)], files, scope_is_job=False)
        return replace(report, language=await self._language(spec.job_id))

    @asynccontextmanager
    async def job_report(self, plan: Plan, *, with_samples: bool = True) -> AsyncIterator[Gathered]:
        """What there is of a job; its files are there for as long as the block lasts.

        Args:
            with_samples: whether samples are shown; a summary needs none.
        """
        try:
            submitted_at = (await self._load_job_state(plan.job_id)).submitted_at
        except NotFound:
            submitted_at = ""
        async with ReportFiles(self._store, self._pinned) as files:
            # One run after the other: what is held is one run's aggregates, not all runs' tables.
            read = [await self._read(spec, files) for spec in plan.runs]
            with speaking(plan.spec.report.language):
                report = await self._report(read, files, scope_is_job=True, with_samples=with_samples)
            report = replace(
                report,
                job_id=plan.job_id,
                title=plan.spec.name,
                planned_at=plan.created_at,
                submitted_at=submitted_at,
                software=plan.software,
                language=plan.spec.report.language,
            )
            tables = {item.view.spec.run_id: item.tables for item in read}
            yield Gathered(report, await asyncio.to_thread(_metrics, read), tables, files)

    async def _language(self, job_id: str) -> ReportLanguage:
        try:
            return Plan.model_validate_json(await self._store.get(layout.plan(job_id))).spec.report.language
        except NotFound:
            return "en"

    async def _report(
        self, read: Sequence[_Read], files: ReportFiles, *, scope_is_job: bool, with_samples: bool = True
    ) -> Report:
        views = labelled([item.view for item in read])
        directions: dict[str, bool] = {}
        for item in read:
            directions |= item.directions
        groups = compared(views, directions)
        tables = {item.view.spec.run_id: item.tables for item in read}
        picker = SamplePicker(files, tables)
        cards, choice = await picker.pick(groups, with_images=scope_is_job) if with_samples else ((), "first")
        disagreed = {}
        for group in groups if with_samples else ():
            run = group.runs[0].spec
            path = await files.samples(run.dataset.digest)
            samples = run_samples(path, run) if path else None
            disagreed[group.title] = await asyncio.to_thread(most_disagreed, group, tables, samples)
        composite = {label: said for item in read for label, said in item.composite.items()}
        # Variants of a task would make the correction of p stricter for what a leaderboard claims of the task itself.
        tested = compared_groups(groups) if with_samples else ()
        differences = await asyncio.to_thread(against_best, tested, tables, composite)
        first = views[0].spec if views else None
        return Report(
            scope="job" if scope_is_job else "run",
            job_id=first.job_id if first else "",
            title=first.name if first else "",
            runs=views,
            groups=groups,
            cards=cards,
            choice=choice,
            disagreed={title: found for title, found in disagreed.items() if found},
            differences=differences,
        )

    async def _read(self, spec: RunSpec, files: ReportFiles) -> _Read:
        source = spec.results_run_id
        answers, scores, replicates, metrics_csv, environment, of_metrics, performance, judges = await asyncio.gather(
            *(files.result(source, name) for name in _RESULTS)
        )
        state = await self._state(spec.run_id)
        # Only-reporting runs show another run's results: its state knows the directions of its metrics.
        shown = state if source == spec.run_id else await self._state(source)
        tables = Tables(answers, scores, replicates)
        return await asyncio.to_thread(
            _view, spec, tables, metrics_csv, environment, of_metrics, performance, judges, state, shown
        )

    async def _state(self, run_id: str) -> RunState | None:
        try:
            return await self._load_run_state(run_id)
        except NotFound:
            return None


def _view(
    spec: RunSpec,
    tables: Tables,
    metrics_csv: Path | None,
    environment: Path | None,
    of_metrics: Path | None,
    performance: Path | None,
    judges: Path | None,
    state: RunState | None,
    shown: RunState | None,
) -> _Read:
    metrics = results.read_metrics(metrics_csv) if metrics_csv else None
    directions: Direction = results.read_directions(tables.scores) if tables.scores else {}
    if shown is not None:
        directions |= {value.metric: value.higher_is_better for value in shown.metrics}
    answers = tables.answers
    counts = results.read_counts(answers) if answers else (state.counts if state else OutcomeCounts())
    view = RunView(
        spec=spec,
        label=spec.model.name,
        status=_status(state, answers is not None),
        reason=state.failure.message if state and state.failure else None,
        counts=counts,
        metrics=results.metric_rows(results.with_labels(metrics, tables.scores)) if metrics is not None else (),
        scored=tables.scores is not None,
        spreads=per_sample.read_spreads(tables.scores) if tables.scores else {},
        confusions=per_sample.read_confusions(tables.scores) if tables.scores else {},
        fields=per_sample.read_fields(tables.scores) if tables.scores else {},
        timings=results.read_timings(answers) if answers else Timings(),
        reused=count_reused(results.with_origin(answers)) if answers else Reused(),
        failures=results.read_failures(answers, FAILURES_SHOWN) if answers and counts.not_answered else (),
        environment={**_environment(environment), **_of_metrics(of_metrics)},
        performance=_performance(performance),
        panels=_panels(judges),
    )
    composite = {value.metric: value.composite for value in (shown.metrics if shown else ())}
    return _Read(view, tables, metrics, directions, composite)


def _status(state: RunState | None, has_answers: bool) -> RunStatus:
    if state is not None and state.status in ("failed", "cancelled"):
        return "failed" if state.status == "failed" else "cancelled"
    if has_answers:
        return "completed"
    return "failed" if state is not None and state.failure is not None else "incomplete"


def _panels(path: Path | None) -> Mapping[str, Panel]:
    if path is None:
        return {}
    try:
        return Panels.validate_json(path.read_bytes())
    except ValidationError:
        return {}  # of an earlier version


def _environment(path: Path | None) -> Mapping[str, object]:
    """What the agent noted about where the run's answers came from; unreadable is as good as missing."""
    if path is None:
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {"environment": content}


def _of_metrics(path: Path | None) -> Mapping[str, object]:
    """What metrics with packages of their own really ran with; packages in one line each."""
    found: dict[str, object] = {}
    for name, about in _environment(path).items():
        packages = about.get("packages") if isinstance(about, dict) else None
        if isinstance(about, dict) and isinstance(packages, dict):
            about = {**about, "packages": ", ".join(f"{each} {number}" for each, number in packages.items())}
        found[name] = about
    return {"metric": found} if found else {}


def _performance(path: Path | None) -> Performance | None:
    """What the evaluator measured; unreadable is as good as missing."""
    if path is None:
        return None
    try:
        return Performance.model_validate_json(path.read_bytes())
    except ValueError:
        return None


def _metrics(read: Sequence[_Read]) -> pl.DataFrame:
    return exports.joined(
        (
            {
                "run": item.view.spec.name,
                "model": item.view.spec.model.name,
                "task": item.view.spec.task.name,
            },
            item.metrics,
        )
        for item in read
        if item.metrics is not None
    )
