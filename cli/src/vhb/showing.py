"""What `vhb show` shows of a job: one sample in all its runs."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from vhb.connect import Connection
from vhb_inference_agent.backends.registry import backend_adapter
from vhb_shared.asking.questions import RunFiles, run_files
from vhb_shared.asking.showing import RowShower, plain_parameters
from vhb_shared.asking.shown import ShownRow
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.datasets.selection import run_samples
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import ObjectCache

_IDS_COMPARED = 5000


class SampleShower:
    """Shows samples of one job. Use `sample_shower`.

    Args:
        connection: bus and storage.
        plan: of the job.
        cache: local copies of what never changes.
        folder: for copies of results.
    """

    def __init__(self, connection: Connection, plan: Plan, cache: ObjectCache, folder: Path) -> None:
        self._store = connection.store
        self._plan = plan
        self._cache = cache
        copies = _Results(connection.store, folder)
        self._rows = RowShower(connection.store, connection.states, cache, copies.path, _parameters)

    async def show(self, sample: str, run_name: str | None) -> list[ShownRow]:
        """Every row of the sample, run by run.

        Args:
            sample: its id in the data set, or the id of one of its rows.
            run_name: this run only.

        Raises:
            UserError: no such run or sample.
        """
        specs = [spec for spec in self._plan.runs if run_name in (None, spec.name)]
        if not specs:
            known = [spec.name for spec in self._plan.runs]
            raise UserError(f"Job {self._plan.job_id} has no run {run_name!r}: {did_you_mean(run_name or '', known)}")
        shown = [row for spec in specs for row in await self._rows.of_sample(spec, sample)]
        if not shown:
            raise UserError(await self._no_sample(specs[0], sample))
        return shown

    async def save(self, rows: Sequence[ShownRow], folder: Path) -> list[Path]:
        """Copies the images that rows show; each once. Returns the files."""
        images = {image.name: image.key for row in rows for image in row.every_image if image.bytes is not None}
        for name, key in images.items():
            await self._store.get_file(key, folder / name)
        return [folder / name for name in images]

    async def _no_sample(self, spec: RunSpec, sample: str) -> str:
        files = await run_files(spec, self._cache)
        whole, near = await asyncio.to_thread(_known_ids, files, spec, sample)
        if whole:
            return f"Sample {sample!r} is in data set {spec.dataset.name!r}, and no run shown asks it: see its filter."
        return f"Job {self._plan.job_id} has no sample {sample!r}: {did_you_mean(sample, near, 'answers.csv')}"


@asynccontextmanager
async def sample_shower(connection: Connection, job_id: str) -> AsyncIterator[SampleShower]:
    """Shows samples of a job; its copies are gone afterwards.

    Raises:
        UserError: the job has no plan.
    """
    try:
        plan = Plan.model_validate_json(await connection.store.get(layout.plan(job_id)))
    except NotFound:
        raise UserError(f"Job {job_id} has nothing to show: it was never planned.") from None
    with tempfile.TemporaryDirectory(prefix="vhb-show-") as folder:
        cache = ObjectCache(connection.store, Path(folder) / "cache")
        yield SampleShower(connection, plan, cache, Path(folder) / "results")


class _Results:
    """Copies of results, for as long as one command runs."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store = store
        self._folder = folder

    async def path(self, key: str) -> Path | None:
        path = self._folder / key
        if path.exists():
            return path
        try:
            await self._store.get_file(key, path)
        except NotFound:
            return None
        return path


def _known_ids(files: RunFiles, spec: RunSpec, sample: str) -> tuple[bool, list[str]]:
    """Whether the whole data set has the sample, and the ids of the run's first rows."""
    whole = pl.scan_parquet(files.samples).filter(pl.col("id") == sample).select(pl.len())
    ids = run_samples(files.samples, spec).select("id").head(_IDS_COMPARED)
    return bool(whole.collect(engine="streaming").item()), ids.collect(engine="streaming").to_series().to_list()


def _parameters(spec: RunSpec) -> Mapping[str, Any]:
    parameters = dict(plain_parameters(spec))
    with suppress(UserError):  # a plug-in's backend that is not installed here
        parameters = backend_adapter(spec.model.backend).request_options(spec.model, parameters)
    return parameters
