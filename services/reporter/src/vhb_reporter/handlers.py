"""What the reporter does with a message: reads stored results, writes reports. Repeating it changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import polars as pl

from vhb_reporter import exports, render, summary
from vhb_reporter.explorer.publish import publish_samples
from vhb_reporter.gather import Gatherer
from vhb_reporter.model import Report
from vhb_reporter.workbook import workbook
from vhb_shared.contracts.events import (
    JobEvaluated,
    JobReportCompleted,
    RunEvaluationCompleted,
    RunReportCompleted,
)
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


class LocalFiles(Protocol):
    """Where pinned objects can be read as local files."""

    async def path(self, key: str) -> Path:
        """A local, read-only file with the object's content.

        Raises:
            NotFound: no such key.
        """


class ReporterHandlers:
    """Handlers of the reporter's subscriptions.

    Args:
        store: object storage.
        cache: local copies of objects that never change (samples and media of data sets).
        load_run_state: the state of a run; `NotFound` if there is none.
        load_job_state: the state of a job; `NotFound` if there is none.
    """

    def __init__(
        self,
        store: ObjectStore,
        cache: LocalFiles,
        load_run_state: Callable[[str], Awaitable[RunState]],
        load_job_state: Callable[[str], Awaitable[JobState]],
    ) -> None:
        self._store = store
        self._gatherer = Gatherer(store, cache.path, load_run_state, load_job_state)

    async def warm_up(self) -> None:
        """Imports the sections and compiles their templates, so that the first report does not wait for that."""
        await asyncio.to_thread(render.warm_up)

    async def report_run(self, event: RunEvaluationCompleted) -> RunReportCompleted:
        """Writes runs/<run_id>/report.md.

        Raises:
            NotFound: the run was never planned.
            Unavailable: storage does not answer.
        """
        run = RunSpec.model_validate_json(await self._store.get(layout.run_spec(event.run_id)))
        report = await self._gatherer.run_report(run)
        text = await asyncio.to_thread(render.markdown, report)
        key = layout.run_file(event.run_id, "report.md")
        await self._store.put(key, text.encode())
        return RunReportCompleted(
            job_id=event.job_id,
            run_id=event.run_id,
            name=event.name,
            round=event.round,
            announcement=event.announcement,
            artefacts={"report.md": key},
        )

    async def report_job(self, event: JobEvaluated) -> JobReportCompleted:
        """Writes metrics.csv, .parquet and .json, results.xlsx, performance.csv (where anything was measured) and
        job.json under jobs/<job_id>/, and report.md, report.html and samples.html with its files where a run of the
        job is to be reported.

        Raises:
            NotFound: the job was never planned.
            Unavailable: storage does not answer.
        """
        plan = Plan.model_validate_json(await self._store.get(layout.plan(event.job_id)))
        wanted = any("reporting" in run.stages for run in plan.runs)
        artefacts = {}
        async with self._gatherer.job_report(plan, with_samples=wanted) as gathered:
            if wanted:
                artefacts["samples.html"] = await publish_samples(
                    self._store, event.job_id, gathered, plan.spec.report.images
                )
            files = await asyncio.to_thread(_job_files, gathered.report, gathered.metrics, wanted=wanted)
        keys = {name: layout.job_file(event.job_id, name) for name in files}
        await asyncio.gather(*(self._store.put(keys[name], data) for name, data in files.items()))
        return JobReportCompleted(
            job_id=event.job_id,
            name=event.name,
            round=event.round,
            announcement=event.announcement,
            artefacts=artefacts | keys,
        )


def _job_files(report: Report, metrics: pl.DataFrame, *, wanted: bool) -> dict[str, bytes]:
    files = {
        "job.json": summary.job_json(report).encode(),
        "results.xlsx": workbook(report, metrics),
        **exports.metrics_files(metrics),
    }
    if (performance := exports.performance_csv(report)) is not None:
        files["performance.csv"] = performance
    if wanted:
        files["report.md"] = render.markdown(report).encode()
        files["report.html"] = render.html(report).encode()
    return files
