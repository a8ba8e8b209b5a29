"""What is wrong with a task entry, apart from its data."""

from collections.abc import Iterator

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.contracts.job import MetricSpec, TaskEntry
from vhb_shared.datasets.levels import COLUMN, level_file
from vhb_shared.documents.base import Loc
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError
from vhb_shared.jobs.metric_entries import check_files
from vhb_shared.registry.plugins import load_metric_check, plugin_names

AGGREGATORS = ("by_id", "by_doc_question", "by_doc_type", "by_question_type", "general")
"""And any column of the data set, as `column:NAME`."""


def task_problems(task: TaskEntry) -> Iterator[tuple[Loc, str]]:
    """(where in the entry, a sentence with the remedy) for each mistake.

    Args:
        task: resolved.
    """
    for number, metric in enumerate(task.metrics):
        problem = _metric_problem(task, metric)
        if problem is not None:
            yield ("metrics", number), problem
    yield from _aggregator_problems(task)
    for field in ("prompt", "system_prompt"):
        value = getattr(task, field)
        if value is not None and not value.strip() and field == "prompt":
            yield (field,), f"task {task.name!r}: `{field}` is empty: leave it out to ask the data set's own questions."
    labels = [corruption.label for corruption in task.corruptions]
    for number, label in enumerate(labels):
        if label in labels[:number]:
            yield ("corruptions", number), f"task {task.name!r}: corruption {label} is listed twice: keep one."
    if task.corruptions and task.answers is not None:
        yield ("corruptions",), f"task {task.name!r}: stored `answers` know no `corruptions`: remove one of them."
    source = task.dataset.source if isinstance(task.dataset, DatasetSource) else task.dataset
    if source is not None and not source.strip():
        yield ("dataset",), f"task {task.name!r}: `dataset` is empty: name a folder, a file or a registry entry."


def _aggregator_problems(task: TaskEntry) -> Iterator[tuple[Loc, str]]:
    files: dict[str, str] = {}
    for number, name in enumerate(task.aggregators):
        loc: Loc = ("aggregators", number)
        if not name.startswith(COLUMN) and name not in AGGREGATORS:
            hint = did_you_mean(name, AGGREGATORS)
            yield loc, f"task {task.name!r}: unknown aggregator {name!r}; {hint}"
        elif name == COLUMN:
            yield loc, f"task {task.name!r}: aggregator {name!r} names no column: write {COLUMN}lang, for example."
        elif (other := files.setdefault(level_file(name), name)) != name:
            yield loc, f"task {task.name!r}: {name!r} and {other!r} would be one file, {level_file(name)}: keep one."


def _metric_problem(task: TaskEntry, metric: MetricSpec) -> str | None:
    known = plugin_names("metrics")
    if not known:  # the evaluator is not installed here; it will say
        return None
    if metric.entry is None and metric.name not in known:
        return f"task {task.name!r}: unknown metric {metric.name!r}; {did_you_mean(metric.name, known)}"
    try:
        if metric.entry is not None:
            check_files(metric.entry)
        check = load_metric_check()
        if check is not None:
            check(metric, task)
    except UserError as error:
        return f"task {task.name!r}: {error}"
    return None
