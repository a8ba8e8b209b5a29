"""Which runs may be compared with which, and what tables call them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from vhb_reporter.model import GENERAL, ComparisonGroup, RunView

Direction = dict[str, bool]
"""Metric label -> whether higher is better."""


def labelled(runs: Sequence[RunView]) -> tuple[RunView, ...]:
    """Runs with a label that is unique among those they are compared with, and one colour per model."""
    together = Counter((_key(run), run.spec.model.name) for run in runs)
    colours: dict[str, int] = {}
    result = []
    for run in runs:
        model = run.spec.model.name
        label = model if together[_key(run), model] == 1 else run.name
        result.append(replace(run, label=label, colour=colours.setdefault(model, len(colours))))
    return tuple(result)


def compared(runs: Sequence[RunView], directions: Direction) -> tuple[ComparisonGroup, ...]:
    """Groups of runs of one task on the same samples, in the order of the job."""
    found: dict[tuple[object, ...], list[RunView]] = {}
    for run in runs:
        found.setdefault(_key(run), []).append(run)
    tasks = Counter(members[0].spec.task.comparison for members in found.values())
    return tuple(
        _group(members, directions, alone=tasks[members[0].spec.task.comparison] == 1) for members in found.values()
    )


def _key(run: RunView) -> tuple[object, ...]:
    task = run.spec.task
    # Rows have the same numbers only where samples are asked equally often.
    return task.comparison, run.spec.dataset.digest, task.filter, task.limit, task.epochs, task.circular


def _group(runs: list[RunView], directions: Direction, *, alone: bool) -> ComparisonGroup:
    labels: dict[str, None] = {}
    for run in runs:
        labels.update({row.metric: None for row in run.metrics if row.level == GENERAL})
    task = runs[0].spec.task
    limits = [
        *(f"{name}: {', '.join(values)}" for name, values in task.filter.model_dump().items() if values),
        *([f"first {task.limit}"] if task.limit is not None else []),
    ]
    title = task.comparison
    if not alone:
        title += f" on {runs[0].spec.dataset.name}" + (f" ({'; '.join(limits)})" if limits else "")
    asked = _asked_first(tuple(labels), [metric.name for metric in task.metrics])
    return ComparisonGroup(
        task=task.comparison,
        title=title,
        runs=tuple(runs),
        metrics=asked,
        higher_is_better={label: directions[label] for label in asked if label in directions},
    )


def _asked_first(labels: tuple[str, ...], asked: Sequence[str]) -> tuple[str, ...]:
    """In the order of the task; a label is a metric's id, with `@normalisation` where that is not its own."""
    order = {name: position for position, name in enumerate(asked)}
    return tuple(sorted(labels, key=lambda label: order.get(label.split("@")[0], len(order))))
