"""Makes a job self-contained: its data in object storage, its files inlined, its entries resolved."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vhb_shared.contracts.asking import SAME
from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.contracts.job import JobSpec, MetricSpec, ModelEntry, PromptSet, RunEntry, TaskEntry
from vhb_shared.datasets.pin import PINNED, pin_dataset
from vhb_shared.datasets.prompt_files import read_prompts, read_system_prompt, with_system_files
from vhb_shared.documents.base import Document
from vhb_shared.documents.read import read_document
from vhb_shared.errors import UserError
from vhb_shared.jobs.load import LoadedJob
from vhb_shared.jobs.metric_entries import bundled_entry
from vhb_shared.jobs.prompt_sets import expanded_runs, expanded_task
from vhb_shared.jobs.runs import STORED_KEY, STORED_RUN, meant_runs, run_id_of
from vhb_shared.jobs.variants import runs_with_variants, variant_of, with_variants
from vhb_shared.registry.registry import Registry
from vhb_shared.store.base import ObjectStore

Progress = Callable[[int, int | None], None]
"""(done, total); the total is None while it is not known."""


async def bundle_job(
    loaded: LoadedJob,
    store: ObjectStore,
    registry: Registry,
    on_progress: Progress | None = None,
    on_bytes: Progress | None = None,
    most_rows: int | None = None,
) -> JobSpec:
    """The same job, understood by a scheduler that sees nothing but object storage. Doing it twice changes nothing.

    Models and tasks are the registry's where the job names them; data sets become `sha256:<digest>`; prompt
    collections, system prompts and response schemas become their content; files of metric entries go to storage; files
    of answers become `key:<key>`. A task with `prompt_sets` becomes one for each.

    Args:
        loaded: a validated job and where its paths start.
        store: where data go.
        registry: where names are looked up.
        on_progress: called in the event loop while a data set is read and stored.
        on_bytes: the same while one is fetched from elsewhere.
        most_rows: read no more than that of each data set that is not in storage yet, for a look at it.

    Raises:
        UserError: a file that the job names is missing or malformed, or its data are.
        Unavailable: storage does not answer.
    """
    return await _Bundle(loaded, store, registry, on_progress, on_bytes, most_rows).job()


class _Bundle:
    def __init__(
        self,
        loaded: LoadedJob,
        store: ObjectStore,
        registry: Registry,
        on_progress: Progress | None,
        on_bytes: Progress | None,
        most_rows: int | None,
    ) -> None:
        self._spec = loaded.spec
        self._base = loaded.base_dir
        self._store = store
        self._registry = registry
        self._on_progress = on_progress
        self._on_bytes = on_bytes
        self._most_rows = most_rows
        self._pinned: dict[str, str] = {}
        self._answers: dict[str, str] = {}

    async def job(self) -> JobSpec:
        spec, registry = self._spec, self._registry
        models, tasks = list(spec.models), list(spec.tasks)
        for run in meant_runs(spec):
            if run.model not in {model.name for model in models}:
                models.append(ModelEntry(name=run.model))
            if run.task not in {task.name for task in tasks}:
                tasks.append(TaskEntry(name=run.task))
        asked = {run.model for run in meant_runs(spec) if "inference" in run.stages}
        resolved = []
        for model in models:
            label = model.backend is None and model.name not in registry.models and model.name not in asked
            resolved.append(model if label else await asyncio.to_thread(registry.resolve_model, model))
        expanded = {task.name: expanded_task(await self._task(task)) for task in tasks}
        bundled = [each for task in tasks for each in expanded[task.name]]
        runs = expanded_runs([await self._run(run) for run in spec.runs], expanded)
        variants = {task.name: await self._variants(task) for task in bundled}
        return spec.model_copy(
            update={
                "models": tuple(resolved),
                "tasks": tuple(with_variants(bundled, variants)),
                "runs": tuple(runs_with_variants(runs, variants)),
            }
        )

    async def _variants(self, task: TaskEntry) -> list[TaskEntry]:
        if not task.corruptions:
            return []
        from vhb_shared.datasets.derive import corrupted_dataset

        digest = str(task.dataset).removeprefix(PINNED)
        return [
            variant_of(
                task, corruption, await corrupted_dataset(digest, corruption, task.filter, task.limit, self._store)
            )
            for corruption in task.corruptions
        ]

    async def _task(self, entry: TaskEntry) -> TaskEntry:
        task = await asyncio.to_thread(self._registry.resolve_task, entry)
        changes: dict[str, Any] = {"dataset": await self._dataset(task.dataset or "")}
        if task.few_shot is not None and task.few_shot.dataset != SAME:
            pinned = await self._dataset(task.few_shot.dataset)
            changes["few_shot"] = task.few_shot.model_copy(update={"dataset": pinned})
        if task.system_prompt is not None and self._base is not None:  # else it was read before
            changes["system_prompt"] = await asyncio.to_thread(read_system_prompt, task.system_prompt, self._base)
        if task.prompts is not None:
            changes["prompts"] = await self._prompts(task.prompts, "prompts", task)
        if task.prompt_sets:
            sets = task.prompt_sets.items()
            changes["prompt_sets"] = {
                name: await self._prompts(each, f"prompt_sets.{name}", task) for name, each in sets
            }
        if isinstance(task.response_schema, str):
            path = self._path(task.response_schema, "response_schema", task)
            changes["response_schema"] = await asyncio.to_thread(_read_schema, path)
        elif task.response_schema is not None:
            _check_schema(task.response_schema, f"task {task.name!r}: response_schema")
        if task.answers is not None:
            changes["answers"] = await self._stored_answers(task.answers)
        changes["metrics"] = tuple([await self._metric(metric) for metric in task.metrics])
        return task.model_copy(update=changes)

    async def _metric(self, metric: MetricSpec) -> MetricSpec:
        changes: dict[str, Any] = {}
        if metric.models:
            resolve = self._registry.resolve_model
            changes["models"] = tuple([await asyncio.to_thread(resolve, model) for model in metric.models])
        if metric.entry is not None:
            changes["entry"] = await bundled_entry(metric.entry, self._base, self._store)
        return metric.model_copy(update=changes) if changes else metric

    async def _prompts(self, prompts: str | PromptSet, field: str, task: TaskEntry) -> PromptSet:
        if isinstance(prompts, str):
            return await asyncio.to_thread(read_prompts, self._path(prompts, field, task))
        return prompts if self._base is None else await asyncio.to_thread(with_system_files, prompts, self._base)

    async def _run(self, run: RunEntry) -> RunEntry:
        if run.answers is None:
            return run
        return run.model_copy(update={"answers": await self._stored_answers(run.answers)})

    async def _dataset(self, named: str | DatasetSource) -> str:
        key = named if isinstance(named, str) else named.model_dump_json(exclude_unset=True)
        if key not in self._pinned:
            how = await asyncio.to_thread(self._registry.resolve_dataset, named)
            ref = await pin_dataset(
                how,
                self._base,
                self._store,
                skip_bad_rows=self._spec.skip_bad_rows,
                most_rows=self._most_rows,
                on_progress=self._on_progress,
                on_bytes=self._on_bytes,
            )
            self._pinned[key] = f"{PINNED}{ref.digest}"
        return self._pinned[key]

    async def _stored_answers(self, named: str) -> str:
        if named.startswith(STORED_RUN):
            return f"{STORED_RUN}{run_id_of(named)}"
        if named.startswith(STORED_KEY):
            return named
        if named not in self._answers:
            from vhb_shared.datasets.answers_import import import_answers

            path = self._path(named, "answers")
            self._answers[named] = f"{STORED_KEY}{await import_answers(path, self._store)}"
        return self._answers[named]

    def _path(self, named: str, field: str, task: TaskEntry | None = None) -> Path:
        path = (self._base or Path()) / Path(named).expanduser()
        try:
            found = path.is_file()
        except (OSError, ValueError):
            found = False
        if not found:
            whose = f"task {task.name!r}: " if task is not None else ""
            raise UserError(f"{whose}`{field}` names {named!r}, but there is no file {path}: check the path.")
        return path


def _read_schema(path: Path) -> dict[str, Any]:
    document: Document = read_document(path, "JSON Schema")
    if not isinstance(document.data, dict):
        raise UserError(f"{path} is not a JSON Schema: expected keys and values.")
    _check_schema(document.data, str(path))
    return document.data


def _check_schema(schema: dict[str, Any], what: str) -> None:
    import jsonschema
    from jsonschema.validators import validator_for

    try:
        validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(schema)
    except jsonschema.SchemaError as error:
        place = ".".join(str(part) for part in error.absolute_path) or "its root"
        raise UserError(f"{what} is not a valid JSON Schema: at {place}, {error.message}.") from error
