"""Prompt sets: a task that compares prompts becomes a task for each of them, on the same samples."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from vhb_shared.contracts.job import PromptSet, RunEntry, TaskEntry
from vhb_shared.errors import UserError
from vhb_shared.jobs.runs import MeantRun

Expanded = Mapping[str, tuple[TaskEntry, ...]]
"""Name of a task in the job file -> what it becomes: itself, or one task for each of its prompt sets."""


def set_name(name: str, prompt_set: str) -> str:
    """What a task, or a run with a name of its own, is called for one of its prompt sets."""
    return f"{name}+{prompt_set}"


def expanded_task(task: TaskEntry) -> tuple[TaskEntry, ...]:
    """A task for each of its prompt sets; the task itself without any.

    What a set says to all samples counts before the task's own `prompt` and `system_prompt`, or sets that differ in
    nothing else would all ask the same.

    Args:
        task: with the prompt sets' content.
    """
    if not task.prompt_sets:
        return (task,)
    return tuple(_of_set(task, name, prompts) for name, prompts in task.prompt_sets.items())


def expanded_runs(runs: Sequence[RunEntry], tasks: Expanded) -> tuple[RunEntry, ...]:
    """A run for each task that its task becomes."""
    return tuple(
        run
        if task.name == run.task
        else run.model_copy(
            update={"task": task.name, "name": run.name and set_name(run.name, _set_of(task, run.task))}
        )
        for run in runs
        for task in tasks[run.task]
    )


def prompt_set_problems(task: TaskEntry, tasks: Collection[str], runs: Sequence[MeantRun]) -> Iterator[str]:
    """What is wrong with the prompt sets of a task, a sentence each.

    Args:
        task: resolved.
        tasks: names of all tasks of the job.
        runs: all its runs.
    """
    if not task.prompt_sets:
        return
    if task.prompts is not None:
        yield f"task {task.name!r} has both `prompts` and `prompt_sets`: make the former one of the latter."
    for name in task.prompt_sets:
        if set_name(task.name, name) in tasks:
            yield f"prompt set {name!r} of task {task.name!r} makes a task that the job has already: rename one."
    names = {run.name for run in runs}
    for run in runs:
        if run.task != task.name:
            continue
        if "inference" not in run.stages:
            yield f"run {run.name!r} asks nothing: the `prompt_sets` of task {task.name!r} make no difference to it."
        for made in (set_name(run.name, name) for name in task.prompt_sets):
            if made in names:
                yield f"the prompt sets of task {task.name!r} make a run {made!r}, which is there already: rename one."


def _of_set(task: TaskEntry, name: str, prompts: str | PromptSet) -> TaskEntry:
    if isinstance(prompts, str):
        raise UserError(f"task {task.name!r}: prompt set {prompts!r} was not read; name a file beside the job")
    general = prompts.user_prompt is not None or prompts.fixed_prompt is not None
    general_system = prompts.system_prompt is not None or prompts.fixed_system_prompt is not None
    return task.model_copy(
        update={
            "name": set_name(task.name, name),
            "prompts": prompts,
            "prompt": None if general else task.prompt,
            "system_prompt": None if general_system else task.system_prompt,
            "prompt_sets": {},
            "compare_as": task.comparison,
        }
    )


def _set_of(task: TaskEntry, name: str) -> str:
    return task.name.removeprefix(set_name(name, ""))
