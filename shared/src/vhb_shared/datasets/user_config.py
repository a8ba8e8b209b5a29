"""The semicolon CSV of the earlier tool: one row is one run."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from vhb_shared.contracts.job import Filter, JobSpec, MetricSpec, ModelEntry, PromptSet, RunEntry, Stage, TaskEntry
from vhb_shared.datasets.config_cells import AGGREGATORS, read_aggregators, read_filter, read_flag, read_metrics
from vhb_shared.datasets.config_places import DATA_DIRS, Places
from vhb_shared.datasets.models_csv import MODELS_CSV, KnownModel, model_entry, read_models_csv
from vhb_shared.datasets.prompt_files import read_prompts, read_system_prompt
from vhb_shared.datasets.table import TableRow, read_table
from vhb_shared.errors import UserError

COLUMNS = (
    "dataset",
    "task",
    "docker_image",
    "framework",
    "model_name",
    "system_prompt",
    "prompt_collection",
    "metrics",
    "only_evaluate_metrics",
    "metrics_aggregators",
    "filter_doc_class",
    "filter_question_type",
    "answers",
)
_ALIASES = {"task_name": "task"}
_LISTED = 20
_Value = TypeVar("_Value")


@dataclass
class _Config:
    """What the rows share, and what they have made so far."""

    path: Path
    places: Places
    out: Path
    catalogue: dict[tuple[str, str], KnownModel]
    registered: frozenset[str] | None
    models: dict[str, ModelEntry] = field(default_factory=dict)
    tasks: dict[str, TaskEntry] = field(default_factory=dict)
    prompts: dict[Path, PromptSet] = field(default_factory=dict)


def read_user_config(
    path: Path,
    *,
    folder: Path | None = None,
    out: Path | None = None,
    registered: Collection[str] | None = None,
) -> JobSpec:
    """Reads `user_config.csv` into a job with explicit runs. Blocks: call it in a thread.

    Rows with the same model, or the same task, share them, so that reports compare them. Paths of data sets and
    answers are relative to the file's folder; prompt collections and system prompts are read.

    `only_evaluate_metrics` takes the answers from the column `answers` (ours; a file, or `run:<run id>`), else from
    `answers/<run name>.csv` beside the file, else from `runs/<run name>/answers.csv` of the results of an earlier run.

    Args:
        path: the file.
        folder: instead of the folder that it is in.
        out: results folder of an earlier run; `results/<file name>` beside the file when None.
        registered: names in the model registry, to check models here; None leaves it to the scheduler.

    Raises:
        UserError: all problems, with file, line and column.
    """
    folder = folder or path.parent
    models_csv = next((p for p in (folder / MODELS_CSV, folder / DATA_DIRS / MODELS_CSV) if p.is_file()), None)
    config = _Config(
        path=path,
        places=Places(folder),
        out=out or folder / "results" / path.stem,
        catalogue=read_models_csv(models_csv) if models_csv is not None else {},
        registered=frozenset(registered) if registered is not None else None,
    )
    runs: list[RunEntry] = []
    problems: list[str] = []
    rows = read_table(path, columns=COLUMNS, required=("dataset", "model_name"), aliases=_ALIASES)
    for number, row in enumerate(rows, start=1):
        before = len(problems)
        run = _Row(config, row, number, problems).run()
        if run is not None and len(problems) == before:
            runs.append(run)
    if problems:
        rest = len(problems) - _LISTED
        more = (f"and {rest} more",) if rest > 0 else ()
        raise UserError(problems[0], problems=(*problems[:_LISTED], *more))
    if not runs:
        raise UserError(f"{path}: no row below the header; expected one row for each run")
    try:
        return JobSpec(
            name=path.stem, models=tuple(config.models.values()), tasks=tuple(config.tasks.values()), runs=tuple(runs)
        )
    except ValidationError as error:
        detail = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(map(str, detail['loc']))}: {detail['msg']}") from error


class _Row:
    """One row on its way to a run; problems are collected, not raised."""

    def __init__(self, config: _Config, row: TableRow, number: int, problems: list[str]) -> None:
        self._config = config
        self._row = row
        self._number = number
        self._problems = problems
        self._cells = {name: row.cells.get(name, "").strip() for name in COLUMNS}

    def run(self) -> RunEntry | None:
        if self._row.problem is not None:
            self._problems.append(f"{self._config.path}, line {self._row.line}: {self._row.problem}")
            return None
        cells = self._cells
        for name in ("dataset", "model_name"):
            if not cells[name]:
                self._problem(name, "expected a name, found an empty cell")
        if not cells["dataset"] or not cells["model_name"]:
            return None
        name = f"row-{self._number}__{_plain(cells['model_name'])}__{_plain(cells['dataset'])}"
        only_evaluate = self._read("only_evaluate_metrics", read_flag) or False
        metrics = self._read("metrics", read_metrics) or ()
        if only_evaluate and not metrics:
            self._problem("metrics", "only_evaluate_metrics is True, expected metrics to evaluate; name some")
        # Of answers that are there the model is only the name.
        registered = None if only_evaluate else self._config.registered
        model = self._read("model_name", lambda cell: self._model(cell, registered))
        task = self._task(metrics)
        answers = self._answers(name) if only_evaluate else None
        if model is None or task is None:
            return None
        stages: tuple[Stage, ...] = ("reporting",)
        if metrics:
            stages = ("evaluation", *stages)
        if not only_evaluate:
            stages = ("inference", *stages)
        return RunEntry(
            model=_shared_model(model, self._config.models),
            task=_shared_task(task, self._config.tasks),
            name=name,
            stages=stages,
            answers=answers,
        )

    def _problem(self, column: str, what: str) -> None:
        self._problems.append(f"{self._config.path}, line {self._row.line}, column {column}: {what}")

    def _read(self, column: str, read: Callable[[str], _Value]) -> _Value | None:
        try:
            return read(self._cells[column])
        except UserError as error:
            for problem in error.problems:
                self._problem(column, problem)
        except ValidationError as error:
            self._problem(column, error.errors()[0]["msg"])
        return None

    def _model(self, model_name: str, registered: frozenset[str] | None) -> ModelEntry:
        config = self._config
        image = self._cells["docker_image"] or None
        return model_entry(self._cells["framework"], model_name, config.catalogue, registered, image)

    def _task(self, metrics: tuple[str, ...]) -> TaskEntry | None:
        cells = self._cells
        dataset = self._read("dataset", self._dataset)
        # A file without the column wants what is usual; an empty cell wants none.
        asked = "metrics_aggregators" in self._row.cells
        aggregators = self._read("metrics_aggregators", read_aggregators) if asked else AGGREGATORS
        doc_class = self._read("filter_doc_class", read_filter)
        question_type = self._read("filter_question_type", read_filter)
        system_prompt = self._read("system_prompt", self._system_prompt) if cells["system_prompt"] else None
        prompts = self._read("prompt_collection", self._prompts) if cells["prompt_collection"] else None
        if dataset is None:
            return None
        return TaskEntry(
            name=_plain(cells["dataset"]),
            dataset=dataset,
            prompts=prompts,
            system_prompt=system_prompt,
            metrics=tuple(MetricSpec(name=metric) for metric in metrics),
            aggregators=aggregators or (),
            filter=Filter(doc_class=doc_class or (), question_type=question_type or ()),
        )

    def _dataset(self, cell: str) -> str:
        if cell.startswith("sha256:") or "://" in cell:
            return cell
        places = self._config.places
        return places.relative(places.find("Datasets", self._cells["task"], cell))

    def _prompts(self, cell: str) -> PromptSet:
        path = self._config.places.find("PromptCollections", self._cells["task"], cell)
        if path not in self._config.prompts:
            self._config.prompts[path] = read_prompts(path)
        return self._config.prompts[path]

    def _system_prompt(self, cell: str) -> str:
        places = self._config.places
        return read_system_prompt(cell, places.folder, *places.roots("SystemPrompts", self._cells["task"]))

    def _answers(self, run_name: str) -> str | None:
        config, places = self._config, self._config.places
        if given := self._cells["answers"]:
            if given.startswith("run:") or (places.folder / given).is_file():
                return given
            self._problem("answers", f'expected a file of answers, "{given}" is not there')
            return None
        usual = (places.folder / "answers" / f"{run_name}.csv", config.out / "runs" / run_name / "answers.csv")
        for path in usual:
            if path.is_file():
                return places.relative(path)
        self._problem(
            "only_evaluate_metrics",
            f"True needs stored answers, found neither {places.relative(usual[0])} nor {places.relative(usual[1])}; "
            "put a file there, name one in a column `answers`, or set False",
        )
        return None


def _shared_model(entry: ModelEntry, models: dict[str, ModelEntry]) -> str:
    """The name under which an equal model is there already, or is put there now.

    A row without a framework means the registry's model of that name, which is what a row with one starts from.
    """
    known = models.setdefault(entry.name, entry)
    if known.backend is None:
        known = models[entry.name] = entry
    if entry.backend is None or known == entry:
        return entry.name
    number, name = 1, f"{entry.name}-{entry.backend}"
    while True:
        # Under a name of its own it is no longer found by that name.
        renamed = entry.model_copy(update={"name": name, "model": entry.served_model})
        if models.setdefault(name, renamed) == renamed:
            return name
        number += 1
        name = f"{entry.name}-{entry.backend}-{number}"


def _shared_task(entry: TaskEntry, tasks: dict[str, TaskEntry]) -> str:
    """The name under which an equal task is there already, or is put there now."""
    number, name = 1, entry.name
    while True:
        renamed = entry.model_copy(update={"name": name})
        if tasks.setdefault(name, renamed) == renamed:
            return name
        number += 1
        name = f"{entry.name}-{number}"


def _plain(name: str) -> str:
    """A name that can be part of a folder's name."""
    return name.replace("\\", "/").strip("/").replace("/", "-")
