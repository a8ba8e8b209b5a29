"""How quality falls as images get worse: tasks named `<task>~<corruption>-<severity>` against `<task>` itself."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.axes import Tick, axis, ends_of, finite, share, short
from vhb_reporter.sections.template import TemplateSection
from vhb_reporter.variants import corruption_of

PLOT_HEIGHT = 200
_CURVES = 12


class Curve(NamedTuple):
    """One model; positions in percent."""

    run: RunView
    rows: tuple[MetricRow | None, ...]
    """By severity, the clean images first; None where there is no result."""
    marks: tuple[tuple[float, float], ...]
    spans: tuple[tuple[float, float, float], ...]
    """x, and the ends of the confidence interval."""

    @property
    def line(self) -> str:
        """The curve as the points of a line."""
        return " ".join(f"{x},{y}" for x, y in self.marks)


class Plot(NamedTuple):
    """One corruption of one task, by the task's first metric."""

    task: str
    kind: str
    metric: str
    higher_is_better: bool | None
    severities: tuple[int, ...]
    """0 is the clean images, where the job has them."""
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    more: int


class Robustness(TemplateSection):
    """A curve per model, a plot per corruption."""

    name: ClassVar[str] = "robustness"
    title: ClassVar[str] = noted("Robustness")
    order: ClassVar[int] = 460

    def wanted(self, report: Report) -> bool:
        return bool(plots(report.groups))

    def context(self, report: Report) -> Mapping[str, object]:
        return {"plots": plots(report.groups), "plot_height": PLOT_HEIGHT}


def plots(groups: Sequence[ComparisonGroup]) -> list[Plot]:
    """One for each task and corruption that occurs."""
    clean = {group.task: group for group in groups if corruption_of(group.task) is None}
    found: dict[tuple[str, str], dict[int, ComparisonGroup]] = {}
    for group in groups:
        if name := corruption_of(group.task):
            found.setdefault((name.task, name.series), {})[name.severity] = group
    made = []
    for (task, kind), by_severity in found.items():
        steps = dict(sorted(by_severity.items()))
        if task in clean:
            steps = {0: clean[task]} | steps
        if (plot := _plot(task, kind, steps)) is not None:
            made.append(plot)
    return made


def _plot(task: str, kind: str, steps: Mapping[int, ComparisonGroup]) -> Plot | None:
    first = next(iter(steps.values()))
    if not first.metrics:
        return None
    metric = first.metrics[0]
    runs = {run.spec.model.name: run for group in reversed(list(steps.values())) for run in group.runs}
    order = [run.spec.model.name for run in first.ranked()]
    order += [name for name in runs if name not in order]
    rows = {name: tuple(_row(group, name, metric) for group in steps.values()) for name in order}
    # A single point is no curve.
    known = {name: found for name, found in rows.items() if sum(row is not None for row in found) > 1}
    values = [row.value for found in known.values() for row in found if row and row.value is not None]
    whiskers = [end for found in known.values() for row in found if row for end in ends_of(row)]
    if not values:
        return None
    low, high, ticks = axis([0.0, *values, *whiskers])
    last = max(steps) or 1

    def at(severity: int, value: float) -> tuple[float, float]:
        return round(100 * severity / last, 2), round(100 - share(value, low, high), 2)

    curves = []
    for name, found in list(known.items())[:_CURVES]:
        marked = [(step, row) for step, row in zip(steps, found, strict=True) if row and row.value is not None]
        curves.append(
            Curve(
                runs[name], found, tuple(at(step, row.value or 0.0) for step, row in marked),
                tuple(
                    (at(step, 0)[0], at(step, ends[0])[1], at(step, ends[1])[1])
                    for step, row in marked if (ends := ends_of(row))
                ),
            )
        )  # fmt: skip
    return Plot(
        task, kind, metric, first.higher_is_better.get(metric), tuple(steps), tuple(curves),
        tuple(Tick(at(step, 0)[0], str(step)) for step in steps),
        tuple(Tick(round(100 - share(tick, low, high), 2), short(tick)) for tick in ticks), len(known) - len(curves),
    )  # fmt: skip


def _row(group: ComparisonGroup, model: str, metric: str) -> MetricRow | None:
    for run in group.runs:
        if run.spec.model.name == model and (row := run.value(metric)) and finite(row.value):
            return row
    return None
