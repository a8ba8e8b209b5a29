"""Document classes against question types: one coloured table per run."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.breakdown import painter
from vhb_reporter.sections.template import TemplateSection

_CLASSES = 40
_TYPES = 20
_RUNS = 24


class Cell(NamedTuple):
    """One class and type; `good` in percent from the comparison's worst (0) to its best (100)."""

    row: MetricRow | None
    good: int | None


class Map(NamedTuple):
    """One run."""

    run: RunView
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]


class MapGroup(NamedTuple):
    """One comparison, by its first metric."""

    group: ComparisonGroup
    metric: str
    types: tuple[str, ...]
    maps: tuple[Map, ...]
    more: int


class ClassMap(TemplateSection):
    """Which questions fail on which documents, for every run."""

    name: ClassVar[str] = "class-map"
    title: ClassVar[str] = noted("Document class by question type")
    order: ClassVar[int] = 410

    def wanted(self, report: Report) -> bool:
        return any(_maps(group) for group in report.groups)

    def context(self, report: Report) -> Mapping[str, object]:
        return {"found": [made for group in report.groups if (made := _maps(group))]}


def _maps(group: ComparisonGroup) -> MapGroup | None:
    """None where there are no two classes and two types."""
    if not group.metrics:
        return None
    metric = group.metrics[0]
    classes = group.groups("by_doc_type", metric)[:_CLASSES]
    types = group.groups("by_question_type", metric)[:_TYPES]
    if len(classes) < 2 or len(types) < 2:
        return None
    runs = [run for run in group.ranked() if any(row.level == "by_doc_question" for row in run.metrics)][:_RUNS]
    # The level's groups are named by both, with a space between.
    rows = {
        run.name: {row.group: row for row in run.metrics if row.level == "by_doc_question" and row.metric == metric}
        for run in runs
    }
    good = painter([row.value for found in rows.values() for row in found.values()], group.higher_is_better.get(metric))
    maps = tuple(
        Map(
            run,
            tuple(
                (
                    name,
                    tuple(
                        Cell(row := rows[run.name].get(f"{name} {kind}"), good(row.value if row else None))
                        for kind in types
                    ),
                )
                for name in classes
            ),
        )
        for run in runs
    )
    return MapGroup(group, metric, types, maps, len(group.runs) - len(runs)) if maps else None
