"""The first requests of a job, made by the code that makes those of runs, over a storage that goes again."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from vhb_shared.asking.questions import Question, RunFiles, epoch_parameters, questions, run_files, turns_digest
from vhb_shared.asking.showing import plain_parameters
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.pin import load_manifest
from vhb_shared.datasets.selection import slice_samples
from vhb_shared.errors import UserError
from vhb_shared.jobs.bundle import bundle_job
from vhb_shared.jobs.expand import expand_job
from vhb_shared.jobs.load import LoadedJob
from vhb_shared.jobs.runs import meant_runs
from vhb_shared.registry.registry import Registry
from vhb_shared.store.base import LocalCopies, ObjectStore

MOST_ROWS = 2000
"""Read of a data set where a filter or examples may take rows from anywhere in it."""
_JOB = "preview"


@dataclass(frozen=True)
class Wanted:
    """Which part of a job is looked at."""

    model: str | None = None
    task: str | None = None
    run: str | None = None
    """Of those that model and task stand for (prompts to compare, corruptions); None: the first."""
    offset: int = 0
    limit: int = 10


@dataclass(frozen=True)
class Asked:
    """One row of the run."""

    row: Mapping[str, Any]
    """Columns of `variants.RUN_SCHEMA`."""
    question: Question
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Preview:
    """What was found."""

    models: list[str]
    tasks: list[str]
    model: str
    task: str
    runs: list[str]
    run: RunSpec
    rows: int
    """Of the run, as far as its data were read."""
    whole: bool
    """Whether they were read to their end."""
    asked: list[Asked]
    images: str
    """The data set of the questions' images."""
    example_images: str | None
    warnings: list[str] = field(default_factory=list)


async def preview(
    loaded: LoadedJob, registry: Registry, store: ObjectStore, copies: LocalCopies, wanted: Wanted
) -> Preview:
    """Makes the requests of some samples of one run.

    Args:
        loaded: a checked job.
        registry: where names are looked up.
        store: takes what is read; may forget it.
        copies: of that storage.
        wanted: which.

    Raises:
        UserError: the job's data or files are wrong, or its task does not fit them.
    """
    spec = loaded.spec
    meant = [run for run in meant_runs(spec) if wanted.model in (None, run.model) and wanted.task in (None, run.task)]
    if not meant:
        raise UserError("the job has no run of this model on this task: name another pair.")
    first = meant[0]
    task = await asyncio.to_thread(registry.resolve_task, _entry(spec.tasks, first.task, TaskEntry))
    most = _rows_read(task, wanted)
    if task.corruptions:
        task = task.model_copy(update={"limit": min(task.limit or most, most)})
    one = spec.model_copy(
        update={
            "models": (_entry(spec.models, first.model, ModelEntry),),
            "tasks": (task,),
            "runs": tuple(run for run in spec.runs if (run.model, run.task) == (first.model, first.task)),
            "skip_bad_rows": True,
        }
    )
    bundled = await bundle_job(replace(loaded, spec=one), store, registry, most_rows=most)
    runs = await expand_job(bundled, _JOB, store)
    run = next((each for each in runs if each.name == wanted.run), runs[0])
    files = await run_files(run, copies)
    count = max(0, min(wanted.limit, run.samples - wanted.offset))
    asked = await asyncio.to_thread(_asked, files, run, wanted.offset, count)
    manifest = await load_manifest(run.dataset.digest, store)
    read = run.dataset.samples + run.dataset.skipped_rows
    return Preview(
        models=list(dict.fromkeys(each.model for each in meant_runs(spec))),
        tasks=list(dict.fromkeys(each.task for each in meant_runs(spec))),
        model=first.model,
        task=first.task,
        runs=[each.name for each in runs],
        run=run,
        rows=run.samples,
        whole=read < most or _is_stored(task),
        asked=asked,
        images=run.dataset.media_digest,
        example_images=turns_digest(run),
        warnings=[f"bad row: {row}" for row in manifest.bad_rows],
    )


def _rows_read(task: TaskEntry, wanted: Wanted) -> int:
    if task.filter.doc_class or task.filter.question_type or task.few_shot is not None:
        return MOST_ROWS
    return wanted.offset + wanted.limit + 1


def _is_stored(task: TaskEntry) -> bool:
    return isinstance(task.dataset, str) and task.dataset.startswith("sha256:") and not task.corruptions


def _entry(entries: Any, name: str, kind: Any) -> Any:
    return next((entry for entry in entries if entry.name == name), kind(name=name))


def _asked(files: RunFiles, run: RunSpec, offset: int, count: int) -> list[Asked]:
    rows = slice_samples(files.samples, run, offset, count) if count else pl.DataFrame()
    parameters = plain_parameters(run)
    return [
        Asked(
            {**row, "fields": json.loads(row["fields"] or "{}")}, question, epoch_parameters(parameters, question.epoch)
        )
        for row, question in zip(rows.iter_rows(named=True), questions(files, run, rows), strict=True)
    ]
