"""Models by metrics, one table per comparison, and one for the variants of its task with worse images."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import ComparisonGroup, Differences, Report, RunView
from vhb_reporter.sections.template import TemplateSection
from vhb_reporter.sections.variant_table import VariantTable, variant_table
from vhb_reporter.variants import Family, families


class Cell(NamedTuple):
    """One value of the table."""

    row: MetricRow | None
    best: bool
    near: bool = False
    """Not distinguishable from the best."""


class Line(NamedTuple):
    """One run of the table; `sample` counts come from its first metric."""

    run: RunView
    cells: tuple[Cell, ...]
    first: MetricRow | None


class Table(NamedTuple):
    """One comparison."""

    group: ComparisonGroup
    lines: tuple[Line, ...]
    intervals: bool
    bounds: bool
    near: bool
    """Whether any run is not distinguishable from the best."""
    variants: VariantTable | None


class Leaderboard(TemplateSection):
    """The table that people look for first."""

    name: ClassVar[str] = "leaderboard"
    title: ClassVar[str] = noted("Leaderboard")
    order: ClassVar[int] = 200

    def context(self, report: Report) -> Mapping[str, object]:
        return {"tables": [_table(one, report.differences.get(one.group.title)) for one in families(report.groups)]}


def _table(family: Family, differences: Differences | None) -> Table:
    group = family.group
    near = differences.indistinguishable() if differences is not None else frozenset()
    best = {metric: group.best(metric) for metric in group.metrics}
    lines = []
    for run in group.ranked():
        rows = [run.value(metric) for metric in group.metrics]
        cells = tuple(
            # With nobody to compare with, nothing is best.
            Cell(
                row,
                len(group.runs) > 1 and row is not None and row.value is not None and row.value == best[metric],
                # Differences are by the first metric.
                place == 0 and run.spec.run_id in near,
            )
            for place, (metric, row) in enumerate(zip(group.metrics, rows, strict=True))
        )
        lines.append(Line(run, cells, next((row for row in rows if row is not None), None)))
    values = [cell.row for line in lines for cell in line.cells if cell.row]
    return Table(
        group=group,
        lines=tuple(lines),
        intervals=any(row.ci_low is not None for row in values),
        bounds=any(row.n_failed for row in values),
        near=bool(near),
        variants=variant_table(family),
    )
