"""How the models of a leaderboard do as images get worse: one table for all variants of a task."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from vhb_reporter.measures import MetricRow
from vhb_reporter.model import ComparisonGroup, RunView
from vhb_reporter.sections.axes import finite
from vhb_reporter.variants import Family
from vhb_shared.statistics.verdict import decimals


class VariantCell(NamedTuple):
    """One model on one variant, or on the clean task."""

    row: MetricRow | None
    change: str
    """Against the clean task, with its sign; empty for that itself and where either has no value."""
    worse: bool
    """Whether that change is for the worse."""
    best: bool


class VariantLine(NamedTuple):
    """One model."""

    run: RunView
    cells: tuple[VariantCell, ...]
    """The clean task first, then the variants."""


class NotCompleted(NamedTuple):
    """A run of a variant that has no result, or not all."""

    run: RunView
    variant: str


class VariantTable(NamedTuple):
    """The first metric of a task on its own images and on worse ones."""

    metric: str
    higher_is_better: bool | None
    names: tuple[str, ...]
    """Of the variants: `blur-3`, `noise-3-s7`."""
    lines: tuple[VariantLine, ...]
    not_completed: tuple[NotCompleted, ...]
    intervals: bool
    bounds: bool


def variant_table(family: Family) -> VariantTable | None:
    """The table of a task's variants; None where it has none, or no metric."""
    if not family.variants or not family.group.metrics:
        return None
    metric = family.group.metrics[0]
    higher = family.group.higher_is_better.get(metric)
    groups = [family.group, *(group for _, group in family.variants)]
    names = tuple(found.label for found, _ in family.variants)
    columns = [_by_model(group.runs) for group in groups]
    order = dict.fromkeys(_by_model(family.group.ranked()))
    order |= dict.fromkeys(key for column in columns for key in column)
    lines = tuple(
        VariantLine(
            next(column[key] for column in columns if key in column), _cells(key, columns, groups, metric, higher)
        )
        for key in order
    )
    rows = [cell.row for line in lines for cell in line.cells if cell.row is not None]
    return VariantTable(
        metric,
        higher,
        names,
        lines,
        tuple(
            NotCompleted(run, name)
            for name, group in zip(names, groups[1:], strict=True)
            for run in group.runs
            if run.status != "completed"
        ),
        intervals=any(row.ci_low is not None for row in rows),
        bounds=any(row.n_failed for row in rows),
    )


_Key = tuple[str, int]
"""A model's name, and which of its runs: one model may run twice with different settings."""


def _by_model(runs: Sequence[RunView]) -> dict[_Key, RunView]:
    """Runs in the order given; places are counted in the order of the job."""
    seen: defaultdict[str, int] = defaultdict(int)
    places: dict[str, int] = {}
    for run in sorted(runs, key=lambda run: run.name):
        places[run.name] = seen[run.spec.model.name]
        seen[run.spec.model.name] += 1
    return {(run.spec.model.name, places[run.name]): run for run in runs}


def _cells(
    key: _Key,
    columns: Sequence[dict[_Key, RunView]],
    groups: Sequence[ComparisonGroup],
    metric: str,
    higher: bool | None,
) -> tuple[VariantCell, ...]:
    rows = [_row(column.get(key), metric) for column in columns]
    cells = []
    for place, (row, group) in enumerate(zip(rows, groups, strict=True)):
        best = len(group.runs) > 1 and row is not None and row.value == group.best(metric)
        change = None
        if place and row is not None and rows[0] is not None and row.value is not None and rows[0].value is not None:
            change = row.value - rows[0].value
        worse = change is not None and higher is not None and (change < 0) == higher and change != 0
        cells.append(VariantCell(row, _signed(change), worse, best))
    return tuple(cells)


def _row(run: RunView | None, metric: str) -> MetricRow | None:
    row = run.value(metric) if run is not None else None
    return row if row is not None and finite(row.value) else None


def _signed(change: float | None) -> str:
    if change is None:
        return ""
    return f"{change:+.{decimals(abs(change))}f}" if change else "0"
