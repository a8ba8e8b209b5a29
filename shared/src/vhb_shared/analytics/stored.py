"""Which jobs, runs and result files there are in object storage, laid out for the engine in a folder."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from pydantic import ValidationError

from vhb_shared.analytics.tables import (
    DIRECTION,
    JOB_METRICS,
    JOB_NUMBER,
    NUMBER,
    RESULT_FILES,
    TABLES,
    directions_path,
    job_metrics_path,
    performance_path,
    result_path,
    runs_path,
    views,
)
from vhb_shared.contracts.metric_label import parse_label, tabled
from vhb_shared.contracts.performance import Performance
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.results import OUTCOMES
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

T = TypeVar("T")
_AT_ONCE = 8


@dataclass(frozen=True)
class Laid:
    """What the engine reads."""

    views: Mapping[str, str]
    """Table name -> the SELECT it stands for."""
    paths: tuple[Path, ...]
    """All files that these read."""
    keys: Mapping[Path, str]
    """Where in storage they are from; not of those made here."""
    notes: tuple[str, ...]
    """What is left out, with the reason."""


@asynccontextmanager
async def laid_out(store: ObjectStore, tables: Collection[str], jobs: Sequence[str] = ()) -> AsyncIterator[Laid]:
    """The tables of jobs in a folder that is gone afterwards. Files of a directory store are read where they lie,
    others are copied.

    Jobs in which metrics ask models are left out unless they are named. What several jobs report on is there once: as
    the results of the run that made them, where that is among the jobs.

    Args:
        store: where results are.
        tables: which of `TABLES` are wanted; the others are not made.
        jobs: ids; none: all jobs.

    Raises:
        UserError: there is no such job.
        Unavailable: the storage does not answer.
    """
    with TemporaryDirectory(prefix="vhb-query-") as scratch:
        yield await _Layer(store, Path(scratch)).lay(tables, jobs)


def mentioned(sql: str) -> tuple[str, ...]:
    """The tables that a query may read: those whose names occur in it, all where none does (`SHOW TABLES`)."""
    text = sql.lower()
    return tuple(name for name in TABLES if name in text) or TABLES


class _Layer:
    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._notes: list[str] = []
        self._keys: dict[Path, str] = {}

    async def lay(self, tables: Collection[str], jobs: Sequence[str]) -> Laid:
        plans = await self._plans(jobs)
        summaries = dict(zip(plans, await self._each(map(self._summary, plans)), strict=True))
        runs = _numbered(plans.values())
        places = {job_id: place for place, job_id in enumerate(plans)}
        lines = [
            {JOB_NUMBER: places[run.job_id], **_run_row(number, plans[run.job_id], run, summaries[run.job_id])}
            for number, run in runs.items()
        ]
        measured = await self._measured(runs) if "performance" in tables else []
        job_metrics = await self._job_metrics(places) if "metrics" in tables else {}
        alone = {number: run for number, run in runs.items() if run.job_id not in job_metrics}
        files = {
            table: await self._files(table, alone if table == "metrics" else runs)
            for table in RESULT_FILES
            if table in tables
        }
        folder = self._folder
        await asyncio.to_thread(_write, runs_path(folder), lines)
        await asyncio.to_thread(_write, performance_path(folder), measured)
        await asyncio.to_thread(_write, directions_path(folder), _directions(summaries.values()))
        own = (runs_path(folder), performance_path(folder), directions_path(folder))
        paths = (*own, *job_metrics.values(), *(path for group in files.values() for path in group))
        made = views(folder, files, tuple(job_metrics.values()))
        return Laid({name: made[name] for name in made if name in tables}, paths, self._keys, tuple(self._notes))

    async def _plans(self, jobs: Sequence[str]) -> dict[str, Plan]:
        wanted = list(dict.fromkeys(jobs)) if jobs else await self._all_jobs()
        found = dict(zip(wanted, await self._each(map(self._plan, wanted)), strict=True))
        if jobs and (missing := [job_id for job_id, plan in found.items() if plan is None]):
            raise UserError(f"There are no results of a job {missing[0]!r}; `vhb status` lists the jobs.")
        if not found:
            self._notes.append("no job is stored there")
        return {job_id: plan for job_id, plan in found.items() if plan is not None and (jobs or plan.asked_by is None)}

    async def _all_jobs(self) -> list[str]:
        prefix = layout.job_prefix("x").removesuffix("x/")
        names = [item.key.removeprefix(prefix).split("/") async for item in self._store.list(prefix)]
        return [parts[0] for parts in names if parts[1:] == [layout.file_name(layout.plan("x"))]]

    async def _plan(self, job_id: str) -> Plan | None:
        try:
            return Plan.model_validate_json(await self._store.get(layout.plan(job_id)))
        except (NotFound, ValueError) as error:
            if isinstance(error, ValidationError):
                self._notes.append(
                    f"job {job_id} is left out: its plan was written by another version and cannot be read"
                )
            return None

    async def _summary(self, job_id: str) -> dict[str, Any]:
        """job.json; empty before the job has ended."""
        try:
            found = json.loads(await self._store.get(layout.job_file(job_id, "job.json")))
        except (NotFound, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    async def _measured(self, runs: Mapping[int, RunSpec]) -> list[dict[str, Any]]:
        found = await self._each(self._performance(number, run) for number, run in runs.items())
        return [row for row in found if row is not None]

    async def _performance(self, number: int, run: RunSpec) -> dict[str, Any] | None:
        try:
            content = await self._store.get(layout.run_file(run.results_run_id, "performance.json"))
            return {NUMBER: number, **Performance.model_validate_json(content).row()}
        except NotFound:
            return None
        except ValidationError:
            self._notes.append(f"run {run.run_id} is not in performance: its performance.json cannot be read")
            return None

    async def _job_metrics(self, places: Mapping[str, int]) -> dict[str, Path]:
        """The metric rows of jobs that have been summed up."""
        found = await self._each(
            self._file(layout.job_file(job_id, JOB_METRICS), job_metrics_path(self._folder, place))
            for job_id, place in places.items()
        )
        return {job_id: path for job_id, path in zip(places, found, strict=True) if path is not None}

    async def _files(self, table: str, runs: Mapping[int, RunSpec]) -> list[Path]:
        found = await self._each(
            self._file(
                layout.run_file(run.results_run_id, RESULT_FILES[table]), result_path(self._folder, table, number)
            )
            for number, run in runs.items()
        )
        return [path for path in found if path is not None]

    async def _file(self, key: str, path: Path) -> Path | None:
        self._keys[path] = key
        own = self._store.local_path(key)
        if own is not None:
            return await asyncio.to_thread(_linked, own, path)
        try:
            await self._store.get_file(key, path)
        except NotFound:
            return None
        return path

    async def _each(self, work: Iterable[Awaitable[T]]) -> list[T]:
        """Results of coroutines in their order, a few at a time."""

        async def one(each: Awaitable[T]) -> T:
            async with self._gate:
                return await each

        return list(await asyncio.gather(*(one(each) for each in work)))


def _linked(own: Path, path: Path) -> Path | None:
    if not own.is_file():
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(own.absolute())
    return path


def _numbered(plans: Iterable[Plan]) -> dict[int, RunSpec]:
    """Runs by number; of several with the same results the one that made them, else the first."""
    by_results: dict[str, RunSpec] = {}
    for run in (run for plan in plans for run in plan.runs):
        if run.results_run_id not in by_results or run.run_id == run.results_run_id:
            by_results[run.results_run_id] = run
    return dict(enumerate(by_results.values()))


def _run_row(number: int, plan: Plan, run: RunSpec, summary: Mapping[str, Any]) -> dict[str, Any]:
    told: Mapping[str, Any] = next(
        (each for each in _dicts(summary.get("runs")) if each.get("run_id") == run.run_id), {}
    )
    counts, reused = told.get("counts") or {}, told.get("reused") or {}
    return {
        NUMBER: number,
        "job_id": run.job_id,
        "job": plan.spec.name,
        "run_id": run.run_id,
        "run": run.name,
        "model": run.model.name,
        "task": run.task.name,
        "dataset": run.dataset.name,
        "dataset_digest": run.dataset.digest,
        "planned_at": _utc(plan.created_at),
        "backend": run.model.backend,
        "samples": run.samples,
        "status": told.get("status"),
        "reason": told.get("reason"),
        **{outcome: counts.get(outcome) for outcome in OUTCOMES},
        "reused": reused.get("count"),
        "results_run_id": run.results_run_id,
    }


def _directions(summaries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Which way metrics are better, by every name that tables give them; what jobs disagree about is left out."""
    said: dict[str, set[bool]] = {}
    for summary in summaries:
        for run in _dicts(summary.get("runs")):
            for metric in _dicts(run.get("metrics")):
                label, better = metric.get("metric"), metric.get("higher_is_better")
                if isinstance(label, str) and isinstance(better, bool):
                    for name in {label, _tabled(label)}:
                        said.setdefault(name, set()).add(better)
    return [{"metric": name, DIRECTION: next(iter(ways))} for name, ways in said.items() if len(ways) == 1]


def _tabled(label: str) -> str:
    try:
        normalisation = parse_label(label).get("normalisation")
    except ValueError:
        return label
    return tabled(label, normalisation) if normalisation else label


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _utc(text: str) -> str | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ") if at.tzinfo else at.isoformat(sep=" ")


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
