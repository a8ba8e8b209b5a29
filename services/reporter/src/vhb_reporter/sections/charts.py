"""Geometry of the charts: bars per metric, and quality against speed. The templates draw them as inline SVG.

Horizontal positions are percentages of the drawing's width, so that a chart fits any screen without shrinking its text.
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from vhb_reporter import formats
from vhb_reporter.model import ComparisonGroup, MetricRow, Report, RunView
from vhb_reporter.sections.template import TemplateSection

BARS_SHOWN = 40
PLOT_HEIGHT = 200
"""Pixels of the plot of quality against speed."""
_LINE = 15


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    label: str


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


class Point(NamedTuple):
    """One run by speed and quality; positions in percent."""

    run: RunView
    row: MetricRow
    x: float
    y: float
    latency: float
    value: float
    span: tuple[float, float] | None
    """The ends of the confidence interval; None where there is none."""
    label_y: float
    """Pixels from the point down to its label's base line."""


class Scatter(NamedTuple):
    """The first metric against the median latency."""

    group: ComparisonGroup
    metric: str
    higher_is_better: bool | None
    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


class Charts(TemplateSection):
    """Bars per metric, and quality against speed where several models were timed."""

    name: ClassVar[str] = "charts"
    title: ClassVar[str] = "Charts"
    order: ClassVar[int] = 300

    def wanted(self, report: Report) -> bool:
        return any(group.metrics for group in report.groups)

    def context(self, report: Report) -> Mapping[str, object]:
        bars = [chart for group in report.groups for metric in group.metrics if (chart := bar_chart(group, metric))]
        scatters = [plot for group in report.groups if (plot := scatter(group))]
        marks = [bar for chart in bars for bar in chart.bars]
        return {
            "bars": bars,
            "scatters": scatters,
            "intervals": any(bar.interval for bar in marks),
            "bounds": any(bar.bounds for bar in marks),
            "plot_height": PLOT_HEIGHT,
        }


def bar_chart(group: ComparisonGroup, metric: str) -> BarChart | None:
    """Bars of one metric, best first by the leaderboard's order; None without any value."""
    pairs = [(run, row) for run in group.ranked() if (row := run.value(metric)) and _finite(row.value)]
    if not pairs:
        return None
    ends = [end for _, row in pairs for end in (row.value or 0.0, *_interval(row), *_bounds(row)) if _finite(end)]
    low, high, ticks = axis([0.0, *ends])

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    best = group.best(metric)
    bars = []
    for run, row in pairs[:BARS_SHOWN]:
        value = row.value or 0.0
        interval, bounds = ((at(ends[0]), at(ends[1])) if ends else None for ends in (_interval(row), _bounds(row)))
        bars.append(Bar(run, row, value, abs(at(value) - at(0)), len(pairs) > 1 and value == best, interval, bounds))
    marks = tuple(Tick(at(tick), _short(tick)) for tick in ticks)
    higher = group.higher_is_better.get(metric)
    return BarChart(group, metric, higher, tuple(bars), marks, len(pairs) - len(bars), at(0))


def scatter(group: ComparisonGroup) -> Scatter | None:
    """Quality against speed; None with fewer than two timed runs."""
    if not group.metrics:
        return None
    metric = group.metrics[0]
    found = [
        (run, row, run.timings.latency_p50, row.value)
        for run in group.runs
        if (row := run.value(metric)) and row.value is not None and _finite(row.value) and run.timings.latency_p50
    ]
    found = found[:12]
    if len(found) < 2:
        return None
    x_low, x_high, x_ticks = axis([0.0, *(latency for _, _, latency, _ in found)])
    ends = [end for _, row, _, _ in found for end in _interval(row)]
    y_low, y_high, y_ticks = axis([0.0, *(value for *_, value in found), *ends])

    def span(row: MetricRow) -> tuple[float, float] | None:
        low_high = _interval(row)
        return (
            (100 - _share(low_high[0], y_low, y_high), 100 - _share(low_high[1], y_low, y_high)) if low_high else None
        )

    points = _placed(
        [
            Point(
                run,
                row,
                _share(latency, x_low, x_high),
                100 - _share(value, y_low, y_high),
                latency,
                value,
                span(row),
                4,
            )
            for run, row, latency, value in found
        ]
    )
    return Scatter(
        group,
        metric,
        group.higher_is_better.get(metric),
        points,
        tuple(Tick(_share(tick, x_low, x_high), formats.milliseconds(tick) if tick else "0") for tick in x_ticks),
        tuple(Tick(100 - _share(tick, y_low, y_high), _short(tick)) for tick in y_ticks),
    )


def _placed(points: list[Point]) -> tuple[Point, ...]:
    """Points whose labels lie neither on one another nor on the axis: going up, each keeps a line's distance."""
    placed: list[tuple[Point, float]] = []
    for point in sorted(points, key=lambda point: -point.y):
        own = point.y * PLOT_HEIGHT / 100
        base = min(max(own + 4, 10), PLOT_HEIGHT - 6)
        for other, line in placed:
            if abs(other.x - point.x) < 55 and abs(line - base) < _LINE:
                base = line - _LINE
        placed.append((point._replace(label_y=round(base - own, 1)), base))
    return tuple(point for point, _ in placed)


def axis(values: Sequence[float]) -> tuple[float, float, tuple[float, ...]]:
    """A round range around the values and about five round ticks in it."""
    low, high = min(values), max(values)
    if low == high:
        high = low + 1
    if low >= 0 and 0.6 < high <= 1:
        return 0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0)
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    ticks = tuple(round(index * step, 12) for index in range(first, last + 1))
    return ticks[0], ticks[-1], ticks


def _interval(row: MetricRow) -> tuple[float, float] | tuple[()]:
    low, high = row.ci_low, row.ci_high
    return (low, high) if low is not None and high is not None and _finite(low) and _finite(high) else ()


def _bounds(row: MetricRow) -> tuple[float, float] | tuple[()]:
    if not row.n_failed or row.worst is None or row.best is None:
        return ()
    return min(row.worst, row.best), max(row.worst, row.best)


def _share(value: float, low: float, high: float) -> float:
    return round(100 * (value - low) / (high - low), 2)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _short(value: float) -> str:
    return f"{value:g}"
