"""From a job file to a submitted job."""

import asyncio
import hashlib
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import SubmitJob
from vhb_shared.contracts.job import JobSpec
from vhb_shared.errors import Unavailable
from vhb_shared.jobs.load import LoadedJob, load_job
from vhb_shared.jobs.validate import validate_job
from vhb_shared.registry.registry import Registry
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

STORAGE_WAITS_S = (0.5, 1.0, 2.0)
"""Between tries: storing a job's data again costs little, what is there already is not written twice."""
MAX_INLINE_BYTES = 48_000
"""Bigger jobs travel through object storage: messages stay under 64 KB."""


def read_job(
    path: Path,
    *,
    folder: Path | None = None,
    registry: Registry | None = None,
    limit: int | None = None,
    skip_bad_rows: bool = False,
    no_reuse: bool = False,
    here: bool = False,
) -> tuple[LoadedJob, Registry]:
    """Reads and validates a job file, with what the command line adds to it.

    Args:
        path: the file.
        folder: where its relative paths start; None: beside it.
        registry: where names are looked up; None: the one that belongs to that folder.
        here: it will run on this machine, so that its variables are those the agent will have.

    Raises:
        UserError: it is not a job that could run.
    """
    loaded = load_job(path, folder, registry)
    spec = loaded.spec
    if skip_bad_rows:
        spec = spec.model_copy(update={"skip_bad_rows": True})
    if no_reuse:
        spec = spec.model_copy(update={"reuse": False})
    registry = registry or Registry.load(loaded.base_dir)
    if limit is not None:
        spec = _limited(spec, limit, registry)
    validate_job(spec, registry, where=loaded.where, environ=os.environ if here else None)
    return replace(loaded, spec=spec), registry


def _limited(spec: JobSpec, limit: int, registry: Registry) -> JobSpec:
    tasks = [registry.resolve_task(task) for task in spec.tasks]
    lowered = tuple(task.model_copy(update={"limit": min(limit, task.limit or limit)}) for task in tasks)
    return spec.model_copy(update={"tasks": lowered})


async def self_contained(
    loaded: LoadedJob, registry: Registry, store: ObjectStore, on_progress: Callable[[str], None]
) -> JobSpec:
    """The job with its data in storage and its files inlined: what a scheduler anywhere can run.

    Raises:
        UserError: its data or files are wrong.
        Unavailable: storage does not answer, in several tries.
    """
    from vhb_shared.jobs.bundle import bundle_job  # with Polars, which takes half a second to import

    def count(done: int, total: int | None) -> None:
        on_progress(f"reading data: {done}" + (f" of {total}" if total else "") + " samples")

    def fetched(done: int, total: int | None) -> None:
        on_progress(f"fetching data: {done / 1e6:,.0f}" + (f" of {total / 1e6:,.0f}" if total else "") + " MB")

    for wait_s in STORAGE_WAITS_S:
        try:
            return await bundle_job(loaded, store, registry, count, fetched)
        except Unavailable as error:
            on_progress(f"waiting: {error}")
            await asyncio.sleep(wait_s)
    return await bundle_job(loaded, store, registry, count, fetched)


def new_job_id(name: str) -> str:
    """A fresh job id: readable, unique, fit for a subject."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "job"
    return f"{slug}-{secrets.token_hex(4)}"


def spec_hash(spec: JobSpec) -> str:
    """What a self-contained job is, as a hash: same data, same models, same settings."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()


async def submit(bus: Bus, store: ObjectStore, spec: JobSpec, job_id: str) -> None:
    """Publishes a self-contained job; publishing the same id again does nothing more."""
    now = datetime.now(UTC).isoformat()
    content = spec.model_dump_json().encode()
    if len(content) <= MAX_INLINE_BYTES:
        command = SubmitJob(job_id=job_id, job=spec, submitted_at=now)
    else:
        key = layout.job_submission(job_id)
        await store.put(key, content)
        command = SubmitJob(job_id=job_id, job_key=key, submitted_at=now)
    await bus.command(subjects.SUBMIT, command, f"submit:{job_id}")
