"""Copies a job's results from object storage into a folder (interface.md, "Results folder")."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Literal

from vhb_shared.bus.states import StateReader
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.state import JobState
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.results import JOB_FILES, is_run_result

Dialect = Literal["rfc4180", "legacy"]

_AT_ONCE = 8


async def fetch_results(
    store: ObjectStore, states: StateReader, job_id: str, out: Path, dialect: Dialect = "rfc4180"
) -> JobState:
    """Writes what there is of a job's results to `out`.

    Raises:
        UserError: no such job, or it was rejected.
    """
    try:
        job = await states.job(job_id)
    except NotFound:
        raise UserError(f"There is no job {job_id}; `vhb status` lists them.") from None
    try:
        plan = Plan.model_validate_json(await store.get(layout.plan(job_id)))
    except NotFound:
        raise UserError(f"Job {job_id} has no results: it was {job.status}.") from None
    for name in JOB_FILES:
        await _copy(store, layout.job_file(job_id, name), out / name, dialect)
    await _fetch_samples(store, job_id, out)
    for run in plan.runs:
        await _fetch_run(store, run, out / "runs" / folder_name(run.name), dialect)
    return job


async def _fetch_samples(store: ObjectStore, job_id: str, out: Path) -> None:
    """The files that samples.html loads: thousands for a large job, so several at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)
    prefix = layout.job_prefix(job_id)

    async def one(key: str) -> None:
        async with gate:
            await store.get_file(key, out / key.removeprefix(prefix))

    async with asyncio.TaskGroup() as group:
        async for item in store.list(layout.job_samples(job_id, "")):
            group.create_task(one(item.key))


async def _fetch_run(store: ObjectStore, run: RunSpec, folder: Path, dialect: Dialect) -> None:
    prefix = layout.run_prefix(run.results_run_id)
    found = [item.key async for item in store.list(prefix)]
    for key in found:
        name = key.removeprefix(prefix)
        if is_run_result(name):
            await _copy(store, key, folder / name, dialect)


async def _copy(store: ObjectStore, key: str, path: Path, dialect: Dialect) -> None:
    try:
        await store.get_file(key, path)
    except NotFound:
        return
    if dialect == "legacy" and path.suffix == ".csv":
        await asyncio.to_thread(_to_legacy, path)


def _to_legacy(path: Path) -> None:
    """`;` and a byte order mark, as the earlier tool wrote and spreadsheets in many countries expect."""
    csv.field_size_limit(1 << 30)
    out = io.StringIO(newline="")
    with path.open(newline="", encoding="utf-8") as file:
        csv.writer(out, delimiter=";").writerows(csv.reader(file))
    path.write_text(out.getvalue(), encoding="utf-8-sig", newline="")


def folder_name(run_name: str) -> str:
    """A run's name as a folder: the name itself, unless it would lead elsewhere."""
    return run_name if run_name.strip(". ") else f"run{len(run_name)}"
