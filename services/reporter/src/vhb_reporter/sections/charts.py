"""Bars per metric. The templates draw them as inline SVG."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.axes import Tick, axis, bounds_of, ends_of, finite, short
from vhb_reporter.sections.template import TemplateSection

BARS_SHOWN = 40


class Bar(NamedTuple):
    """One run's value; positions in percent of the width."""

    run: RunView
    row: MetricRow
    value: float
    width: float
    best: bool
    interval: tuple[float, float] | None
    bounds: tuple[float, float] | None


class BarChart(NamedTuple):
    """One metric of one comparison."""

    group: ComparisonGroup
    metric: str
    higher_is_better: bool | None
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    more: int
    zero: float


class Charts(TemplateSection):
    """Bars per metric, with intervals and bounds."""

    name: ClassVar[str] = "charts"
    title: ClassVar[str] = noted("Charts")
    order: ClassVar[int] = 300

    def wanted(self, report: Report) -> bool:
        return any(group.metrics for group in report.groups)

    def context(self, report: Report) -> Mapping[str, object]:
        bars = [chart for group in report.groups for metric in group.metrics if (chart := bar_chart(group, metric))]
        marks = [bar for chart in bars for bar in chart.bars]
        return {
            "bars": bars,
            "intervals": any(bar.interval for bar in marks),
            "bounds": any(bar.bounds for bar in marks),
        }


def bar_chart(group: ComparisonGroup, metric: str) -> BarChart | None:
    """Bars of one metric, best first by the leaderboard's order; None without any value."""
    pairs = [(run, row) for run in group.ranked() if (row := run.value(metric)) and finite(row.value)]
    if not pairs:
        return None
    ends = [end for _, row in pairs for end in (row.value or 0.0, *ends_of(row), *bounds_of(row)) if finite(end)]
    low, high, ticks = axis([0.0, *ends])

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    best = group.best(metric)
    bars = []
    for run, row in pairs[:BARS_SHOWN]:
        value = row.value or 0.0
        interval, bounds = ((at(ends[0]), at(ends[1])) if ends else None for ends in (ends_of(row), bounds_of(row)))
        bars.append(Bar(run, row, value, abs(at(value) - at(0)), len(pairs) > 1 and value == best, interval, bounds))
    marks = tuple(Tick(at(tick), short(tick)) for tick in ticks)
    higher = group.higher_is_better.get(metric)
    return BarChart(group, metric, higher, tuple(bars), marks, len(pairs) - len(bars), at(0))
