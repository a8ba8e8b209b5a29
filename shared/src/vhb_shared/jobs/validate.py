"""Checks what a job means: names that exist, stages that fit, models that could be started. All mistakes at once."""

from collections.abc import Callable, Mapping, Sequence

from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.documents.base import Loc, spell
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError
from vhb_shared.jobs.models import keeps_schemas, model_problems
from vhb_shared.jobs.prompt_sets import prompt_set_problems, set_name
from vhb_shared.jobs.runs import MeantRun, duplicates, meant_runs, stage_problem
from vhb_shared.jobs.tasks import task_problems
from vhb_shared.registry.registry import Registry

MAX_NAME_BYTES = 200
"""A run's name becomes a folder of results; file systems allow 255 bytes."""
Where = Callable[[Loc], str]


def validate_job(
    spec: JobSpec, registry: Registry, *, where: Where | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Checks everything that needs no data and no GPU. Blocks (registry files, packages).

    Args:
        spec: as written, or already resolved.
        registry: where names are looked up.
        where: says where a part of the job is written (`LoadedJob.where`); for messages.
        environ: the variables of the process that will host the agent, where they are known; then unset key
            variables are mistakes.

    Raises:
        UserError: `problems` holds every mistake, one sentence each.
    """
    problems = tuple(dict.fromkeys(_Checks(spec, registry, where or spell, environ).problems()))
    if len(problems) == 1:
        raise UserError(problems[0])
    if problems:
        lines = "\n".join(f"- {problem}" for problem in problems)
        raise UserError(f"the job has {len(problems)} mistakes:\n{lines}", problems)


class _Checks:
    def __init__(self, spec: JobSpec, registry: Registry, where: Where, environ: Mapping[str, str] | None) -> None:
        self._spec = spec
        self._registry = registry
        self._where = where
        self._environ = environ
        self._found: list[str] = []

    def problems(self) -> list[str]:
        self._names()
        runs = meant_runs(self._spec)
        models: dict[str, tuple[ModelEntry, Loc]] = {
            model.name: (model, ("models", n)) for n, model in enumerate(self._spec.models)
        }
        tasks: dict[str, tuple[TaskEntry, Loc]] = {
            task.name: (task, ("tasks", n)) for n, task in enumerate(self._spec.tasks)
        }
        for run in runs:
            if run.model not in models and self._known(run, "model"):
                models[run.model] = (ModelEntry(name=run.model), run.loc)
            if run.task not in tasks and self._known(run, "task"):
                tasks[run.task] = (TaskEntry(name=run.task), run.loc)
        self._run_names(runs)
        asked = {run.model for run in runs if "inference" in run.stages}
        for model, place in models.values():
            self._model(model, place, asked=model.name in asked)
        for task, place in tasks.values():
            self._task(task, place)
            self._prompt_sets(task, place, tuple(tasks), runs)
        self._schemas(runs, models, tasks)
        return self._found

    def _say(self, loc: Loc, problem: str) -> None:
        place = self._where(loc)
        self._found.append(f"{place}: {problem}" if place else problem)

    def _names(self) -> None:
        spec = self._spec
        for kind, names in (
            ("models", [model.name for model in spec.models]),
            ("tasks", [task.name for task in spec.tasks]),
        ):
            for name, positions in duplicates(names).items():
                self._say((kind, positions[1]), f"{kind[:-1]} {name!r} is listed {len(positions)} times: rename one.")
        if not spec.runs:
            for kind, entries in (("models", spec.models), ("tasks", spec.tasks)):
                if not entries:
                    self._say((kind,), f"the job has no {kind}: list at least one under `{kind}`.")
        for repeated in duplicates(spec.stages):
            self._say(("stages",), f"stage {repeated!r} is listed twice: keep one.")

    def _known(self, run: MeantRun, kind: str) -> bool:
        """Whether a run's model or task, which the job does not list, is in the registry."""
        name = run.model if kind == "model" else run.task
        registered = self._registry.models if kind == "model" else self._registry.tasks
        if name in registered:
            return True
        listed = [entry.name for entry in (self._spec.models if kind == "model" else self._spec.tasks)]
        hint = did_you_mean(name, (*listed, *registered))
        self._say((*run.loc, kind), f"no {kind} is named {name!r}, neither in the job nor in the registry; {hint}")
        return False

    def _run_names(self, runs: tuple[MeantRun, ...]) -> None:
        repeated = duplicates([run.name for run in runs])
        if self._found and not self._spec.runs:
            repeated = {}  # follows from a repeated model or task
        for name, positions in repeated.items():
            self._say(runs[positions[1]].loc, f"run {name!r} is there {len(positions)} times: give one a `name`.")
        for run in runs:
            self._fits(run.name, run.loc)
            if run.name in (".", ".."):
                self._say(run.loc, f"a run cannot be named {run.name!r}.")
        for problem in dict.fromkeys(filter(None, map(stage_problem, runs))):
            self._say(next(run.loc for run in runs if stage_problem(run) == problem), problem)

    def _fits(self, run_name: str, loc: Loc) -> None:
        if len(run_name.encode()) > MAX_NAME_BYTES:
            self._say(loc, f"the run name {run_name[:40]!r}... is too long for a folder: shorten the names.")

    def _model(self, entry: ModelEntry, loc: Loc, *, asked: bool) -> None:
        if not asked and entry.backend is None and entry.name not in self._registry.models and self._spec.runs:
            return  # its answers are there already; the name is only a label
        try:
            model = self._registry.resolve_model(entry)
        except UserError as error:
            self._say(loc, str(error))
            return
        if asked:
            for problem in model_problems(model, self._environ):
                self._say(loc, problem)

    def _schemas(
        self,
        runs: tuple[MeantRun, ...],
        models: Mapping[str, tuple[ModelEntry, Loc]],
        tasks: Mapping[str, tuple[TaskEntry, Loc]],
    ) -> None:
        """Models that are asked for what their engine cannot do; said once for each pair."""
        for run in runs:
            if "inference" not in run.stages or run.model not in models or run.task not in tasks:
                continue
            try:
                model = self._registry.resolve_model(models[run.model][0])
                task = self._registry.resolve_task(tasks[run.task][0])
            except UserError:
                continue  # said already
            if task.response_schema is not None and not keeps_schemas(model):
                self._say(
                    (*tasks[run.task][1], "response_schema") if self._spec.models and not self._spec.runs else run.loc,
                    f"task {run.task!r} has a `response_schema`, which backend {model.backend} of model {run.model!r} "
                    "cannot keep: use another backend, or list `runs` without this pair.",
                )

    def _task(self, entry: TaskEntry, loc: Loc) -> None:
        try:
            task = self._registry.resolve_task(entry)
        except UserError as error:
            self._say(loc, str(error))
            return
        for field, problem in task_problems(task):
            self._say((*loc, *field), problem)
        self._asked_models(task, loc)

    def _asked_models(self, task: TaskEntry, loc: Loc) -> None:
        """Models that metrics ask: each as those of the job, and one name for one model."""
        known: dict[str, ModelEntry] = {}
        for number, metric in enumerate(task.metrics):
            place: Loc = (*loc, "metrics", number, "models")
            for name, positions in duplicates([model.name for model in metric.models]).items():
                self._say((*place, positions[1]), f"model {name!r} is listed {len(positions)} times: keep one.")
            for position, model in enumerate(metric.models):
                self._model(model, (*place, position), asked=True)
                if known.setdefault(model.name, model) != model:
                    self._say(
                        (*place, position),
                        f"task {task.name!r}: metrics ask two different models named {model.name!r}: rename one.",
                    )

    def _prompt_sets(self, entry: TaskEntry, loc: Loc, tasks: Sequence[str], runs: Sequence[MeantRun]) -> None:
        try:
            task = self._registry.resolve_task(entry)
        except UserError:
            return  # said already
        for problem in prompt_set_problems(task, tasks, runs):
            self._say((*loc, "prompt_sets"), problem)
        for run in runs:
            for name in task.prompt_sets if run.task == task.name else ():
                self._fits(set_name(run.name, name), run.loc)
