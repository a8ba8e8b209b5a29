"""Results per document class and question type, as tables coloured from worst to best."""

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.template import TemplateSection

LEVELS = (
    ("by_doc_type", noted("Document class")),
    ("by_question_type", noted("Question type")),
    ("by_doc_question", noted("Document class and question type")),
)
GROUPS_SHOWN = 40
_NO_GROUP = "(none)"
"""How the evaluator names the group of samples without a class or type."""
_LEAST_RANGE = 0.05
"""Values closer together than this are not painted as opposites."""


class Cell(NamedTuple):
    """One value; `good` in percent, from the table's worst (0) to its best (100)."""

    row: MetricRow | None
    good: int | None


class Line(NamedTuple):
    """One class or type, over all runs."""

    group: str
    n: int
    cells: tuple[Cell, ...]


class HeatTable(NamedTuple):
    """One metric at one level."""

    title: str
    runs: tuple[RunView, ...]
    """Those with any value here; `cells` are in their order."""
    lines: tuple[Line, ...]
    more: int


class MetricBreakdown(NamedTuple):
    """All levels of one metric of one comparison."""

    group: ComparisonGroup
    metric: str
    tables: tuple[HeatTable, ...]


class Breakdown(TemplateSection):
    """Where models are good and where they are not."""

    name: ClassVar[str] = "breakdown"
    title: ClassVar[str] = noted("By document class and question type")
    order: ClassVar[int] = 400

    def wanted(self, report: Report) -> bool:
        return bool(_breakdowns(report))

    def context(self, report: Report) -> Mapping[str, object]:
        found = _breakdowns(report)
        rows = [
            cell.row
            for item in found
            for table in item.tables
            for line in table.lines
            for cell in line.cells
            if cell.row
        ]
        return {
            "breakdowns": found,
            "intervals": any(row.ci_low is not None for row in rows),
            "bounds": any(row.n_failed for row in rows),
        }


def _breakdowns(report: Report) -> list[MetricBreakdown]:
    found = []
    for group in report.groups:
        for metric in group.metrics:
            tables = {level: table for level, title in LEVELS if (table := _table(group, metric, level, title))}
            # Class and type together say something new only where there are both.
            if not {"by_doc_type", "by_question_type"} <= tables.keys():
                tables.pop("by_doc_question", None)
            if tables:
                found.append(MetricBreakdown(group, metric, tuple(tables.values())))
    return found


def _table(group: ComparisonGroup, metric: str, level: str, title: str) -> HeatTable | None:
    names = group.groups(level, metric)
    if not any(set(name.split()) - {_NO_GROUP} for name in names):
        return None
    rows_of = {
        run.name: {row.group: row for row in run.metrics if row.level == level and row.metric == metric}
        for run in group.ranked()
    }
    runs = tuple(run for run in group.ranked() if rows_of[run.name])
    by_run = [rows_of[run.name] for run in runs]
    shown = names[:GROUPS_SHOWN]
    higher = group.higher_is_better.get(metric)
    good = painter([row.value for rows in by_run for name in shown if (row := rows.get(name))], higher)

    lines = tuple(
        Line(
            name,
            max((row.n for rows in by_run if (row := rows.get(name))), default=0),
            tuple(Cell(row := rows.get(name), good(row.value if row else None)) for rows in by_run),
        )
        for name in shown
    )
    return HeatTable(title, runs, lines, len(names) - len(shown))


def painter(values: Iterable[float | None], higher: bool | None) -> Callable[[float | None], int | None]:
    """A function from a value to its place between the worst (0) and the best (100) of some; None without a place."""
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    if higher is False and low < 1:
        # An error rate beyond 1 is as bad as 1: a single runaway answer must not turn all others green.
        high = min(high, 1.0)

    def good(value: float | None) -> int | None:
        if value is None or higher is None or low == high:
            return None
        share = min((value - low) / max(high - low, _LEAST_RANGE), 1.0)
        return round(100 * (share if higher else 1 - share))

    return good
