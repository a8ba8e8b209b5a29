"""From what was handed in to a submitted job: the same reading, checks, bundling and message as `vhb submit`."""

import asyncio
import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Literal

from vhb_api.submitting.paths import beyond, check_paths
from vhb_api.submitting.problems import Refused, problems_of
from vhb_shared.bus.client import Bus
from vhb_shared.contracts.job import JobSpec, MetricSpec
from vhb_shared.errors import UserError
from vhb_shared.jobs import submission
from vhb_shared.jobs.load import LoadedJob
from vhb_shared.jobs.runs import meant_runs
from vhb_shared.jobs.stored import evaluated_anew, plan_of
from vhb_shared.jobs.strangers import left_out_answers
from vhb_shared.jobs.validate import validate_job
from vhb_shared.registry.registry import Registry
from vhb_shared.store.base import ObjectStore

MOST_RECENT = 1000
Format = Literal["yaml", "json", "csv"]
_CELLS = ("dataset", "task", "prompt_collection", "system_prompt", "answers")
"""Of a user_config.csv: those by which files are looked for."""


class Busy(Exception):  # noqa: N818 - a condition
    """Other jobs' data are being read: come again."""


@dataclass(frozen=True)
class Wishes:
    """What is asked for beside the file."""

    limit: int | None = None
    skip_bad_rows: bool = False
    no_reuse: bool = False


@dataclass(frozen=True)
class Handed:
    """A job file, and where the files start that it names."""

    content: bytes
    form: Format
    name: str | None = None
    """Of the file; for messages."""
    folder: Path | None = None
    """Of an upload; None: the folder of the service."""


@dataclass(frozen=True)
class Submitted:
    """A job that was handed in."""

    job_id: str
    name: str
    runs: int
    warnings: list[str] = field(default_factory=list)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Submitter:
    """Reads jobs and publishes them.

    Args:
        bus: the connection.
        store: where data go.
        folder: below which files lie that jobs may name; None: they name none.
        sources: kinds of address that data sets may be fetched from.
        at_once: jobs whose data are read at a time.
    """

    def __init__(
        self, bus: Bus, store: ObjectStore, folder: Path | None, sources: tuple[str, ...], at_once: int
    ) -> None:
        self._bus = bus
        self._store = store
        self._folder = folder
        self._sources = sources
        self._room = at_once
        self._recent: OrderedDict[str, Submitted] = OrderedDict()

    async def checked(self, handed: Handed, wishes: Wishes) -> JobSpec:
        """The job as it is meant, without looking at its data.

        Raises:
            Refused: it is not a job that could run.
        """
        async with self.read(handed, wishes) as (loaded, _):
            return loaded.spec

    async def submit(
        self, handed: Handed, wishes: Wishes, key: str | None, on_progress: Callable[[str], None] = lambda line: None
    ) -> Submitted:
        """Hands a job in; returns when its message is published.

        Args:
            handed: the file.
            wishes: what is asked for beside it.
            key: the same key hands the job in once, however often it is sent.
            on_progress: called in the event loop with a line, often.

        Raises:
            Refused: it is not a job that could run.
            Busy: there is no room for another one just now.
            Unavailable: storage or bus do not answer.
        """
        async with self._place(), self.read(handed, wishes) as (loaded, registry):
            return await self._bundled(loaded, registry, _job_id(loaded.spec.name, key), on_progress)

    async def evaluate(self, job_id: str, metrics: tuple[MetricSpec, ...], key: str | None) -> Submitted:
        """Hands in a job of the same runs with other metrics, on the answers they have.

        Raises:
            Refused: there are none, or a metric is wrong.
            Busy, Unavailable: as for `submit`.
        """
        from vhb_shared.bus.states import StateReader

        async with self._place():
            try:
                plan = await plan_of(StateReader(self._bus), self._store, job_id)
                loaded = LoadedJob(spec=evaluated_anew(plan, metrics), base_dir=None)
                registry = await asyncio.to_thread(self._registry)
                await asyncio.to_thread(validate_job, loaded.spec, registry)
                await asyncio.to_thread(check_paths, loaded, registry, None, ())
            except UserError as error:
                raise Refused(problems_of(error, "metrics")) from None
            return await self._bundled(loaded, registry, _job_id(loaded.spec.name, key))

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._room < 1:
            raise Busy
        self._room -= 1
        try:
            yield
        finally:
            self._room += 1

    @asynccontextmanager
    async def read(self, handed: Handed, wishes: Wishes) -> AsyncIterator[tuple[LoadedJob, Registry]]:
        """The job, checked as far as its file tells, with the registry that it meets. What is wrong with it inside the
        block is told with places in the file.

        Raises:
            Refused: it is not a job that could run.
        """
        file = handed.name or (f"job.{handed.form}" if handed.form != "csv" else "user_config.csv")
        with tempfile.TemporaryDirectory(prefix="vhb-job-") as made:
            folder = Path(made)
            try:
                loaded, registry = await asyncio.to_thread(self._load, folder / file, handed, wishes)
                yield loaded, registry
            except UserError as error:
                raise Refused(problems_of(error, file, folder, handed.folder)) from None

    def _load(self, path: Path, handed: Handed, wishes: Wishes) -> tuple[LoadedJob, Registry]:
        path.write_bytes(handed.content)
        files = handed.folder or self._folder
        if path.suffix == ".csv":
            _check_cells(path, files)
        loaded, registry = submission.read_job(
            path,
            folder=files or path.parent,
            # Entries that a user brought could name any file: those of the service are its administrator's.
            registry=self._registry(),
            limit=wishes.limit,
            skip_bad_rows=wishes.skip_bad_rows,
            no_reuse=wishes.no_reuse,
        )
        check_paths(loaded, registry, files, self._sources)
        return loaded, registry

    def _registry(self) -> Registry:
        return Registry.load(self._folder)

    async def _bundled(
        self,
        loaded: LoadedJob,
        registry: Registry,
        job_id: str,
        on_progress: Callable[[str], None] = lambda line: None,
    ) -> Submitted:
        try:
            spec = await submission.self_contained(loaded, registry, self._store, on_progress)
            warnings = await left_out_answers(spec, self._store)
        except UserError as error:
            if loaded.document is None:
                raise Refused(problems_of(error, "the job")) from None
            raise
        await submission.submit(self._bus, self._store, spec, job_id)
        done = Submitted(job_id, spec.name, len(meant_runs(spec)), warnings)
        self._recent[job_id] = done
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)
        return done

    def recent(self, job_id: str) -> Submitted | None:
        """A job that was handed in here of late: its scheduler may not have written it down yet."""
        return self._recent.get(job_id)


def _check_cells(path: Path, folder: Path | None) -> None:
    """Reading such a file reads the files that it names: before that, where they are."""
    from vhb_shared.datasets.table import read_table

    problems = []
    for row in read_table(path, columns=_CELLS, required=()):
        for name in _CELLS:
            cell = row.cells.get(name, "").strip()
            place = PurePath(cell.replace("\\", "/"))
            if place.is_absolute() or ".." in place.parts or cell.startswith("~"):
                found = beyond(cell, folder or path.parent)
                problems.append(f"{path}, line {row.line}, column {name}: {found}")
    if problems:
        raise UserError(problems[0], tuple(problems))


def _job_id(name: str, key: str | None) -> str:
    """A fresh one, or the one that belongs to a key."""
    fresh = submission.new_job_id(name)
    if key is None:
        return fresh
    return f"{fresh.rpartition('-')[0]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
