"""Whether the metrics of a task can score its samples."""

import polars as pl

from vhb_shared.contracts.job import TaskEntry
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_samples_check, plugin_names


def check_metrics(task: TaskEntry, samples: pl.LazyFrame) -> None:
    """Refuses data that a metric could not score, whatever was answered. Where no evaluator is installed, it will tell.

    Args:
        task: resolved.
        samples: the selected ones, columns `SAMPLE_COLUMNS`.

    Raises:
        UserError: what is wrong, a line for each metric.
    """
    known = plugin_names("metrics")
    check = load_samples_check() if known and task.metrics else None
    if check is None:
        return
    problems = []
    for metric in task.metrics:
        if metric.entry is None and metric.name not in known:  # told where the job is read
            continue
        try:
            check(metric, samples, task)
        except UserError as error:
            problems += [f"task {task.name!r}: {line}" for line in error.lines]
    if problems:
        raise UserError("\n".join(problems), tuple(problems))
