"""Which runs a job means: its explicit ones, or models x tasks."""

from collections.abc import Sequence
from typing import NamedTuple

from vhb_shared.contracts.job import STAGES, JobSpec, RunEntry, Stage, TaskEntry
from vhb_shared.documents.base import Loc
from vhb_shared.errors import UserError

STORED_RUN = "run:"
"""`answers: run:<run id>`: those of an earlier run."""
STORED_KEY = "key:"
"""`answers: key:<key>`: answers in object storage; written by `bundle`."""


class MeantRun(NamedTuple):
    """A run before anything is resolved."""

    name: str
    model: str
    task: str
    stages: tuple[Stage, ...]
    """In the order in which they happen; without inference where answers are given."""
    answers: str | None
    results: str | None
    loc: Loc
    """Where the job says so."""


def meant_runs(spec: JobSpec) -> tuple[MeantRun, ...]:
    """The runs of a job, in order: model by model, task by task."""
    tasks = {task.name: task for task in spec.tasks}
    if spec.runs:
        return tuple(_run(spec, entry, tasks.get(entry.task), ("runs", n)) for n, entry in enumerate(spec.runs))
    pairs = [RunEntry(model=model.name, task=task.name) for model in spec.models for task in spec.tasks]
    return tuple(_run(spec, entry, tasks[entry.task], ("stages",)) for entry in pairs)


def _run(spec: JobSpec, entry: RunEntry, task: TaskEntry | None, loc: Loc) -> MeantRun:
    asked = entry.stages if entry.stages is not None else spec.stages
    answers = entry.answers if entry.answers is not None else task.answers if task is not None else None
    stages = tuple(stage for stage in STAGES if stage in asked and not (stage == "inference" and answers))
    name = entry.name or f"{entry.model}__{entry.task}"
    return MeantRun(name, entry.model, entry.task, stages, answers, entry.results, loc)


def stage_problem(run: MeantRun) -> str | None:
    """What is wrong with the stages of a run, if anything."""
    if run.results is not None:
        if not run.results.startswith(STORED_RUN):
            return f"`results` of run {run.name!r} should be {STORED_RUN}<run id>, not {run.results!r}."
        if run.stages != ("reporting",):
            return f"run {run.name!r} reports stored `results`, so its stages should be [reporting]."
        return None
    if not run.stages:
        why = " (answers are given, so there is no inference)" if run.answers else ""
        return f"run {run.name!r} has no stage left to do{why}: name some of {', '.join(STAGES)}."
    if "inference" in run.stages or run.answers:
        return None
    if run.stages == ("reporting",):
        return f"run {run.name!r} is to be reported only: name its stored `results` ({STORED_RUN}<run id>)."
    return f"run {run.name!r} is to be evaluated without inference: name stored `answers` (a file, or run:<run id>)."


def run_id_of(reference: str) -> str:
    """The run that `run:<run id>` names.

    Raises:
        UserError: it names none.
    """
    run_id = reference.removeprefix(STORED_RUN).strip()
    if not run_id or not all(part.isalnum() for part in run_id.replace("_", "-").split("-") if part):
        raise UserError(f"{reference!r} names no run: write {STORED_RUN}<run id> (`vhb status JOB_ID` shows them).")
    return run_id


def duplicates(names: Sequence[str]) -> dict[str, list[int]]:
    """Positions of names that occur more than once."""
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name, []).append(position)
    return {name: positions for name, positions in found.items() if len(positions) > 1}
