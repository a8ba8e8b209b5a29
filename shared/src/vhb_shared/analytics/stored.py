"""Which jobs, runs and result files there are in object storage, laid out for the engine in a folder."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, TypeVar

from vhb_shared.analytics.facts import PlannedJob, PlannedRun, Summary, figures, planned_job, summary
from vhb_shared.analytics.offered import Offered
from vhb_shared.analytics.rows import write_lines, write_runs
from vhb_shared.analytics.sources import WRITTEN_ONCE, Source, Wanted
from vhb_shared.analytics.tables import (
    JOB_METRICS,
    NUMBER,
    RESULT_FILES,
    TABLES,
    directions_path,
    job_metrics_path,
    lines_view,
    performance_path,
    result_path,
    runs_path,
    views,
)
from vhb_shared.errors import UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

K = TypeVar("K")
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
async def laid_out(
    store: ObjectStore | Source, tables: Collection[str], jobs: Sequence[str] = (), offered: Offered | None = None
) -> AsyncIterator[Laid]:
    """The tables of jobs in a folder that is gone afterwards. Files of a directory store are read where they lie, those
    that are kept too; others are copied.

    Jobs in which metrics ask models are left out unless they are named. What several jobs report on is there once: as
    the results of the run that made them, where that is among the jobs.

    Args:
        store: where results are.
        tables: which of `TABLES` are wanted; the others are not made.
        jobs: ids; none: all jobs.
        offered: what is known already.

    Raises:
        UserError: there is no such job.
        Unavailable: the storage does not answer.
    """
    source = store if isinstance(store, Source) else Source(store)
    brought = offered or Offered()
    folder = Path(await asyncio.to_thread(mkdtemp, prefix="vhb-query-", dir=brought.scratch))
    try:
        yield await _Layer(source, folder, brought).lay(tables, jobs)
    finally:
        # Thousands of links take a while to go.
        await asyncio.to_thread(rmtree, folder, ignore_errors=True)


def mentioned(sql: str, tables: Collection[str] = TABLES) -> tuple[str, ...]:
    """The tables that a query may read: those whose names occur in it, all where none does (`SHOW TABLES`)."""
    text = sql.lower()
    return tuple(name for name in tables if name in text) or tuple(tables)


class _Layer:
    def __init__(self, source: Source, folder: Path, offered: Offered) -> None:
        self._source = source
        self._folder = folder
        self._offered = offered
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._notes: list[str] = []
        self._keys: dict[Path, str] = {}

    async def lay(self, tables: Collection[str], jobs: Sequence[str]) -> Laid:
        folder = self._folder
        plans = await self._plans(jobs)
        summaries = await self._summaries(plans)
        runs, places = await asyncio.to_thread(write_runs, folder, plans, summaries)
        measured = await self._measured(runs) if "performance" in tables else []
        await asyncio.to_thread(write_lines, performance_path(folder), measured)
        job_metrics = await self._placed(self._job_metrics(places)) if "metrics" in tables else []
        there = set(job_metrics)
        summed = {job_id for job_id, place in places.items() if job_metrics_path(folder, place) in there}
        alone = {number: run for number, run in runs.items() if run.job_id not in summed}
        files = {
            table: await self._placed(self._files(table, alone if table == "metrics" else runs))
            for table in RESULT_FILES
            if table in tables
        }
        own = [runs_path(folder), performance_path(folder), directions_path(folder)]
        lines = {name: each for name, each in self._offered.lines.items() if name in tables}
        paths = (*own, *job_metrics, *(path for group in files.values() for path in group))
        made = views(folder, files, job_metrics) | {n: lines_view(each.path, each.columns) for n, each in lines.items()}
        return Laid(
            {name: made[name] for name in made if name in tables},
            (*paths, *(each.path for each in lines.values())),
            self._keys,
            tuple(self._notes),
        )

    async def _plans(self, jobs: Sequence[str]) -> dict[str, PlannedJob]:
        known = self._offered.known
        wanted = list(dict.fromkeys(jobs)) if jobs else [*known.jobs] if known is not None else await self._all_jobs()
        keys: dict[str, tuple[str, str | None]] = {job_id: (layout.plan(job_id), WRITTEN_ONCE) for job_id in wanted}
        found = await self._read(keys, planned_job, lambda job_id: (
            f"job {job_id} is left out: its plan was written by another version and cannot be read"
        ))  # fmt: skip
        if jobs and (missing := [job_id for job_id in wanted if job_id not in found]):
            raise UserError(f"There are no results of a job {missing[0]!r}; `vhb status` lists the jobs.")
        if not found:
            self._notes.append("no job is stored there")
        return {job_id: found[job_id] for job_id in wanted if job_id in found and (jobs or not found[job_id].asked_by)}

    async def _all_jobs(self) -> list[str]:
        prefix = layout.job_prefix("x").removesuffix("x/")
        names = [item.key.removeprefix(prefix).split("/") async for item in self._source.store.list(prefix)]
        return [parts[0] for parts in names if parts[1:] == [layout.file_name(layout.plan("x"))]]

    async def _summaries(self, plans: Iterable[str]) -> dict[str, Summary]:
        wanted = {job_id: (layout.job_file(job_id, "job.json"), self._of_job(job_id)) for job_id in plans}
        found = await self._read(wanted, summary)
        return {job_id: found.get(job_id) or Summary() for job_id in plans}

    async def _measured(self, runs: Mapping[int, PlannedRun]) -> list[dict[str, Any]]:
        wanted = {
            number: (layout.run_file(run.results_run_id, "performance.json"), self._of_run(run.results_run_id))
            for number, run in runs.items()
        }
        found = await self._read(wanted, figures, lambda number: (
            f"run {runs[number].run_id} is not in performance: its performance.json cannot be read"
        ))  # fmt: skip
        return [{NUMBER: number, **found[number]} for number in runs if number in found]

    async def _read(
        self,
        wanted: Mapping[K, tuple[str, str | None]],
        parse: Callable[[bytes], T],
        broken: Callable[[K], str] | None = None,
    ) -> dict[K, T]:
        """What small files say, by whatever they are of.

        Args:
            wanted: key in storage and stamp.
            parse: reads one.
            broken: what to say of one that cannot be read.
        """
        found: dict[K, T | None] = {}
        rest = []
        for name, (key, stamp) in wanted.items():
            known, said = self._source.remembered(key, stamp)
            if known:
                found[name] = said
            else:
                rest.append(name)

        async def one(name: K) -> None:
            try:
                found[name] = await self._source.parsed(*wanted[name], parse)
            except ValueError:
                if broken is not None:
                    self._notes.append(broken(name))

        await self._each(map(one, rest))
        return {name: said for name, said in found.items() if said is not None}

    def _job_metrics(self, places: Mapping[str, int]) -> list[Wanted]:
        """The metric rows of jobs that have been summed up."""
        return [
            Wanted(layout.job_file(job_id, JOB_METRICS), self._of_job(job_id), job_metrics_path(self._folder, place))
            for job_id, place in places.items()
        ]

    def _files(self, table: str, runs: Mapping[int, PlannedRun]) -> list[Wanted]:
        name = RESULT_FILES[table]
        return [
            Wanted(
                layout.run_file(run.results_run_id, name),
                self._of_run(run.results_run_id),
                result_path(self._folder, table, number),
            )
            for number, run in runs.items()
        ]

    def _of_job(self, job_id: str) -> str | None:
        return self._offered.known.jobs.get(job_id) if self._offered.known is not None else None

    def _of_run(self, run_id: str) -> str | None:
        return self._offered.known.runs.get(run_id) if self._offered.known is not None else None

    async def _placed(self, wanted: Sequence[Wanted]) -> list[Path]:
        """Those files that there are, where the engine looks for them; in their order."""
        self._keys |= {each.path: each.key for each in wanted}
        rest = await asyncio.to_thread(_placed_at_once, self._source, wanted)
        fetched = dict(zip((each.path for each in rest), await self._each(map(self._fetched, rest)), strict=True))
        missing = {path for path, found in fetched.items() if not found}
        return [each.path for each in wanted if each.path not in missing]

    async def _fetched(self, wanted: Wanted) -> bool:
        if self._source.is_missing(wanted):
            return False
        found = await self._source.fetched(wanted)
        return found is not None and await asyncio.to_thread(self._source.place, found, wanted.path)

    async def _each(self, work: Iterable[Awaitable[T]]) -> list[T]:
        """Results of coroutines in their order, a few at a time."""

        async def one(each: Awaitable[T]) -> T:
            async with self._gate:
                return await each

        return list(await asyncio.gather(*(one(each) for each in work)))


def _placed_at_once(source: Source, wanted: Iterable[Wanted]) -> list[Wanted]:
    """Those that are not at hand."""
    return [each for each in wanted if (own := source.at_hand(each)) is None or not source.place(own, each.path)]
