"""Quality against what it costs: latency, memory, energy, device time; the models that no other beats on both."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from vhb_reporter import formats
from vhb_reporter.language import gettext, noted
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.axes import Tick, axis, ends_of, finite, share, short
from vhb_reporter.sections.template import TemplateSection

PLOT_HEIGHT = 220
_LINE = 15
_POINTS = 60
_NAMED = 12
"""Beyond this many points only those on the front are named in the picture."""


class Cost(NamedTuple):
    """Something that a run costs; less is better."""

    name: str
    title: str
    of: Callable[[RunView], float | None]
    unit: float
    """Ticks are round in this."""
    write: Callable[[float | None], str]


class Point(NamedTuple):
    """One run; positions in percent."""

    run: RunView
    row: MetricRow
    x: float
    y: float
    cost: float
    value: float
    front: bool
    """No other run is at least as good on both and better on one."""
    span: tuple[float, float] | None
    """The ends of the confidence interval; None where there is none."""
    label_y: float | None
    """Pixels from the point down to its label's base line; None: not named."""


class Plot(NamedTuple):
    """The first metric of a comparison against one cost."""

    group: ComparisonGroup
    metric: str
    higher_is_better: bool
    cost: Cost
    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    front: str
    """The front as the points of a line, in percent."""


def _latency(run: RunView) -> float | None:
    measured = run.performance.latency_ms.p50 if run.performance else None
    return measured if measured is not None else run.timings.latency_p50


def _memory(run: RunView) -> float | None:
    if run.performance is None:
        return None
    return run.performance.device_memory_peak or run.performance.memory_peak


def _energy(run: RunView) -> float | None:
    return run.performance.energy_j_per_answer if run.performance else None


def _device_seconds(run: RunView) -> float | None:
    found = run.performance
    if found is None or not found.devices or not found.measured or found.active_s is None:
        return None
    return found.active_s * found.devices * (found.replicas or 1) / found.measured


def _joules(value: float | None) -> str:
    return formats.NOTHING if value is None else f"{value:,.1f} {gettext('J')}"


COSTS: tuple[Cost, ...] = (
    Cost("latency", noted("median latency"), _latency, 1.0, formats.milliseconds),
    Cost("memory", noted("peak memory"), _memory, 2.0**30, formats.size),
    Cost("energy", noted("energy per answer"), _energy, 1.0, _joules),
    Cost("devices", noted("device time per answer"), _device_seconds, 1.0, formats.seconds),
)


class Tradeoffs(TemplateSection):
    """One plot per cost that was measured for at least two runs, and a table of all of them."""

    name: ClassVar[str] = "tradeoffs"
    title: ClassVar[str] = noted("Quality against cost")
    order: ClassVar[int] = 350

    def wanted(self, report: Report) -> bool:
        return any(plot(group, cost) for group in report.groups for cost in COSTS)

    def context(self, report: Report) -> Mapping[str, object]:
        found = []
        for group in report.groups:
            plots = [made for cost in COSTS if (made := plot(group, cost))]
            if plots:
                found.append((group, plots, _lines(plots)))
        return {"found": found, "plot_height": PLOT_HEIGHT}


def plot(group: ComparisonGroup, cost: Cost) -> Plot | None:
    """Quality against a cost; None with fewer than two runs that have both, or where better is unknown."""
    if not group.metrics or (higher := group.higher_is_better.get(group.metrics[0])) is None:
        return None
    metric = group.metrics[0]
    found = [
        (run, row, amount, row.value)
        for run in group.ranked()
        if (row := run.value(metric)) and row.value is not None and finite(row.value) and finite(amount := cost.of(run))
        and amount is not None and amount > 0
    ][:_POINTS]  # fmt: skip
    if len(found) < 2:
        return None
    x_low, x_high, x_ticks = axis([0.0, *(amount / cost.unit for *_, amount, _ in found)])
    y_low, y_high, y_ticks = axis(
        [0.0, *(value for *_, value in found), *(end for _, row, *_ in found for end in ends_of(row))]
    )
    front = pareto([(amount, value) for *_, amount, value in found], higher_is_better=higher)

    def height(value: float) -> float:
        return round(100 - share(value, y_low, y_high), 2)

    points = [
        Point(
            run, row, share(amount / cost.unit, x_low, x_high), height(value), amount, value, best,
            (height(ends[0]), height(ends[1])) if (ends := ends_of(row)) else None, 4.0,
        )
        for (run, row, amount, value), best in zip(found, front, strict=True)
    ]  # fmt: skip
    line = sorted((point.x, point.y) for point in points if point.front)
    return Plot(
        group, metric, higher, cost, _placed(points),
        tuple(Tick(share(tick, x_low, x_high), cost.write(tick * cost.unit) if tick else "0") for tick in x_ticks),
        tuple(Tick(height(tick), short(tick)) for tick in y_ticks),
        " ".join(f"{x},{y}" for x, y in line),
    )  # fmt: skip


def pareto(points: Sequence[tuple[float, float]], *, higher_is_better: bool) -> list[bool]:
    """Of each (cost, value): whether no other is at least as good on both and better on one."""
    signed = [(cost, -value if higher_is_better else value) for cost, value in points]
    return [
        not any(x <= cost and y <= value and (x, y) != (cost, value) for x, y in signed) for cost, value in signed
    ]  # fmt: skip


def _lines(plots: Sequence[Plot]) -> list[tuple[RunView, MetricRow, list[tuple[str, bool]]]]:
    """One row per run: what it costs, and whether it is on the front of each."""
    lines = []
    for run in plots[0].group.ranked():
        places = [next((point for point in made.points if point.run is run), None) for made in plots]
        row = run.value(plots[0].metric)
        if row is not None and any(places):
            cells = [
                (made.cost.write(point.cost if point else None), point is not None and point.front)
                for made, point in zip(plots, places, strict=True)
            ]
            lines.append((run, row, cells))
    return lines


def _placed(points: list[Point]) -> tuple[Point, ...]:
    """Points whose labels lie neither on one another nor on the axis: going up, each keeps a line's distance."""
    placed: list[tuple[Point, float | None]] = []
    for point in sorted(points, key=lambda point: -point.y):
        if len(points) > _NAMED and not point.front:
            placed.append((point._replace(label_y=None), None))
            continue
        own = point.y * PLOT_HEIGHT / 100
        base = min(max(own + 4, 10), PLOT_HEIGHT - 6)
        for other, line in placed:
            if line is not None and abs(other.x - point.x) < 55 and abs(line - base) < _LINE:
                base = line - _LINE
        placed.append((point._replace(label_y=round(base - own, 1)), base))
    return tuple(point for point, _ in placed)
