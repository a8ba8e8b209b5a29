"""Axes of charts, and positions on them in percent, so that a chart fits any screen without shrinking its text."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from vhb_reporter.measures import MetricRow


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    label: str


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


def ends_of(row: MetricRow) -> tuple[float, float] | tuple[()]:
    """The ends of a value's confidence interval; none where none was computed."""
    low, high = row.ci_low, row.ci_high
    return (low, high) if low is not None and high is not None and finite(low) and finite(high) else ()


def bounds_of(row: MetricRow) -> tuple[float, float] | tuple[()]:
    """Where a value could lie if every failed sample had been answered; none where none failed."""
    if not row.n_failed or row.worst is None or row.best is None:
        return ()
    return min(row.worst, row.best), max(row.worst, row.best)


def share(value: float, low: float, high: float) -> float:
    """A value's place between two others, in percent."""
    return round(100 * (value - low) / (high - low), 2)


def finite(value: float | None) -> bool:
    """Whether there is a number."""
    return value is not None and math.isfinite(value)


def short(value: float) -> str:
    """A tick's label."""
    return f"{value:g}"
