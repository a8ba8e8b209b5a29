"""Extraction field by field, of metrics that say which fields were right."""

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.measures import FieldCount
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.template import TemplateSection

_SHOWN = 40


class Cell(NamedTuple):
    """One field of one run; `good` is the share found, in whole percent."""

    field: FieldCount | None
    good: int | None


class Table(NamedTuple):
    """One metric of one comparison."""

    group: ComparisonGroup
    metric: str
    runs: tuple[RunView, ...]
    lines: tuple[tuple[str, tuple[Cell, ...], int], ...]
    """Name, cells, how often it was expected."""
    more: int


class Fields(TemplateSection):
    """Fields by models, the most frequent first."""

    name: ClassVar[str] = "fields"
    title: ClassVar[str] = noted("Fields")
    order: ClassVar[int] = 450

    def wanted(self, report: Report) -> bool:
        return any(run.fields for run in report.runs)

    def context(self, report: Report) -> Mapping[str, object]:
        found = (_table(group, metric) for group in report.groups for metric in group.metrics)
        return {"tables": [table for table in found if table]}


def _table(group: ComparisonGroup, metric: str) -> Table | None:
    runs = tuple(run for run in group.ranked() if metric in run.fields)
    if not runs:
        return None
    by_run = [{field.name: field for field in run.fields[metric]} for run in runs]
    # An invented field was never expected, but it was there.
    weight = Counter[str]()
    for fields in by_run:
        for name, field in fields.items():
            weight[name] = max(weight[name], field.n, 0)
    names = sorted(weight, key=lambda name: (-weight[name], name))
    lines = tuple((name, tuple(_cell(fields.get(name)) for fields in by_run), weight[name]) for name in names[:_SHOWN])
    return Table(group, metric, runs, lines, len(names) - len(lines))


def _cell(field: FieldCount | None) -> Cell:
    share = field.share if field else None
    return Cell(field, None if share is None else round(100 * share))
