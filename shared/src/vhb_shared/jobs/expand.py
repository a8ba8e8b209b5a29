"""From a self-contained job to its runs: everything resolved, samples counted, shards cut."""

import asyncio
import math
import tempfile
from pathlib import Path

import polars as pl

from vhb_shared.contracts.backend_id import backend_id
from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.datasets.columns import check_columns
from vhb_shared.datasets.few_shot import Examples, examples_digest
from vhb_shared.datasets.pin import PINNED, load_pinned
from vhb_shared.datasets.prompts import check_prompts
from vhb_shared.datasets.selection import count_rows, select_samples
from vhb_shared.datasets.variants import check_variants
from vhb_shared.errors import UserError
from vhb_shared.jobs.metrics import check_metrics
from vhb_shared.jobs.runs import STORED_KEY, STORED_RUN, MeantRun, meant_runs, run_id_of
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import ObjectCache

MAX_SHARDS = 2_000
"""Per run: its state lists them, and has to fit into a message."""
_CLASSES_SHOWN = 20


async def expand_job(spec: JobSpec, job_id: str, store: ObjectStore) -> tuple[RunSpec, ...]:
    """The runs of a bundled job. The same job and id give the same runs.

    Args:
        spec: from `bundle_job`.
        job_id: run ids start with it.
        store: holds the pinned data sets.

    Raises:
        UserError: a filter that leaves no samples (the classes there are get named), samples without a prompt, a
            template that is malformed, samples that cannot be asked as often or as shuffled as the task says, examples
            that are not there, a metric that cannot score these samples, an aggregator that names no
            column; `problems` holds all of them.
        Unavailable: storage does not answer.
    """
    models = {model.name: model for model in spec.models}
    tasks = {task.name: task for task in spec.tasks}
    with tempfile.TemporaryDirectory(prefix="vhb-expand-") as scratch:
        counts = _Counts(store, Path(scratch))
        meant = meant_runs(spec)
        asked = {run.task for run in meant if "inference" in run.stages}
        problems: list[str] = []
        for name in dict.fromkeys(run.task for run in meant):
            try:
                await counts.count(tasks[name], prompts=name in asked)
            except UserError as error:
                problems += [line if line.startswith("task ") else f"task {name!r}: {line}" for line in error.lines]
        if problems:
            raise UserError("\n".join(problems), tuple(problems))
        return tuple(
            _run_spec(job_id, number, run, spec, models[run.model], tasks[run.task], counts)
            for number, run in enumerate(meant)
        )


def _run_spec(
    job_id: str, number: int, run: MeantRun, spec: JobSpec, model: ModelEntry, task: TaskEntry, counts: "_Counts"
) -> RunSpec:
    run_id = f"{job_id}-{number}"
    dataset, samples = counts.of[task.name]
    shard_size = max(spec.shard_size, math.ceil(samples / MAX_SHARDS))
    return RunSpec(
        job_id=job_id,
        run_id=run_id,
        name=run.name,
        model=model,
        task=task,
        dataset=dataset,
        samples=samples,
        shard_size=shard_size,
        shards=math.ceil(samples / shard_size),
        backend_id=backend_id(model),
        stages=run.stages,
        answers_key=_answers_key(run.answers),
        reuse=spec.reuse,
        results_run_id=run_id_of(run.results) if run.results is not None else run_id,
    )


def _answers_key(answers: str | None) -> str | None:
    if answers is None:
        return None
    if answers.startswith(STORED_RUN):
        return layout.run_file(run_id_of(answers), "answers.parquet")
    return answers.removeprefix(STORED_KEY)


class _Counts:
    """Samples of each task."""

    def __init__(self, store: ObjectStore, scratch: Path) -> None:
        self._store = store
        self._cache = ObjectCache(store, scratch)
        self.of: dict[str, tuple[DatasetRef, int]] = {}

    async def count(self, task: TaskEntry, *, prompts: bool) -> None:
        if not isinstance(task.dataset, str) or not task.dataset.startswith(PINNED):
            raise UserError(
                f"task {task.name!r}: its data set {task.dataset!r} is not in storage: submit the job anew."
            )
        ref = await load_pinned(task.dataset.removeprefix(PINNED), self._store)
        samples = await self._cache.path(layout.dataset_samples(ref.digest))
        self.of[task.name] = (ref, await asyncio.to_thread(_counted, task, samples, ref, prompts))
        if prompts and task.few_shot is not None:
            digest = examples_digest(task.few_shot, ref.digest)
            await load_pinned(digest, self._store)
            examples = await self._cache.path(layout.dataset_samples(digest))
            await asyncio.to_thread(Examples, task, ref.digest, examples)


def _counted(task: TaskEntry, samples: Path, ref: DatasetRef, prompts: bool) -> int:
    selected = select_samples(samples, task.filter, task.limit)
    count = count_rows(selected, task)
    if count == 0:
        raise UserError(_nothing_left(task, samples, ref))
    check_variants(task, selected)
    check_columns(task, selected)
    if prompts:
        check_prompts(task, selected)
    check_metrics(task, selected)
    return count


def _nothing_left(task: TaskEntry, samples: Path, ref: DatasetRef) -> str:
    kept = []
    for column in ("doc_class", "question_type"):
        wanted = getattr(task.filter, column)
        if wanted:
            there = pl.scan_parquet(samples).select(pl.col(column).drop_nulls().unique().sort()).collect()[column]
            shown = ", ".join(repr(value) for value in there.head(_CLASSES_SHOWN))
            more = f" and {len(there) - _CLASSES_SHOWN} more" if len(there) > _CLASSES_SHOWN else ""
            wish = " or ".join(repr(value) for value in wanted)
            kept.append(f"{column} {wish} (there are: {shown or 'none'}{more})")
    if not kept:
        return f"task {task.name!r}: data set {ref.name!r} has no samples."
    return f"task {task.name!r}: its filter leaves no sample of data set {ref.name!r}: {' and '.join(kept)}."
