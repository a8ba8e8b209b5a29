"""Tasks that a task's corruptions stand for, and the runs of them."""

from collections.abc import Iterator, Mapping, Sequence

from vhb_shared.contracts.dataset import Corruption, Variant
from vhb_shared.contracts.job import RunEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.datasets.pin import PINNED

MARK = "~"
"""Between the name of a task and what is done to its images."""


def variant_of(task: TaskEntry, corruption: Corruption, dataset: DatasetRef) -> TaskEntry:
    """A task that asks the same of changed images."""
    return task.model_copy(
        update={
            "name": f"{task.name}{MARK}{corruption.label}",
            "dataset": f"{PINNED}{dataset.digest}",
            "compare_as": f"{task.compare_as}{MARK}{corruption.label}" if task.compare_as else None,
            "corruptions": (),
            "variant": Variant(of=task.name, corruption=corruption),
        }
    )


def with_variants(tasks: Sequence[TaskEntry], variants: Mapping[str, Sequence[TaskEntry]]) -> Iterator[TaskEntry]:
    """Every task, then its variants; none stands for others any more, so that doing it again changes nothing."""
    for task in tasks:
        yield task.model_copy(update={"corruptions": ()}) if task.corruptions else task
        yield from variants[task.name]


def runs_with_variants(runs: Sequence[RunEntry], variants: Mapping[str, Sequence[TaskEntry]]) -> Iterator[RunEntry]:
    """Every run, then those of its task's variants. Stored answers are of the images as they were: no variants."""
    for run in runs:
        yield run
        if run.answers is None and run.results is None:
            for task in variants[run.task]:
                label = task.name.removeprefix(run.task)
                yield run.model_copy(update={"task": task.name, "name": f"{run.name}{label}" if run.name else None})
