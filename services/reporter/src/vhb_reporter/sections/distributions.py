"""How per-sample scores are spread: a mean of 0.5 may be half right everywhere, or right half the time."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.measures import Spread
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.template import TemplateSection

_RUNS = 40


class Bar(NamedTuple):
    """A step of a histogram; in percent of the drawing."""

    x: float
    height: float


class Line(NamedTuple):
    """One run."""

    run: RunView
    spread: Spread
    bars: tuple[Bar, ...]
    perfect: int | None
    """Samples with the best value there is; None where that is not known."""


class Table(NamedTuple):
    """One metric of one comparison."""

    group: ComparisonGroup
    metric: str
    lines: tuple[Line, ...]
    beyond: bool
    """Some values are above 1: the last step."""
    more: int


class Distributions(TemplateSection):
    """Small histograms over one another, with quantiles."""

    name: ClassVar[str] = "distributions"
    title: ClassVar[str] = noted("How scores are spread over samples")
    order: ClassVar[int] = 430

    def wanted(self, report: Report) -> bool:
        return bool(_tables(report))

    def context(self, report: Report) -> Mapping[str, object]:
        return {"tables": _tables(report)}


def _tables(report: Report) -> list[Table]:
    found = []
    for group in report.groups:
        for metric in group.metrics:
            runs = [(run, run.spreads[metric]) for run in group.ranked() if metric in run.spreads]
            beyond = any(spread.bins[-1] for _, spread in runs)
            higher = group.higher_is_better.get(metric)
            lines = tuple(_line(run, spread, beyond=beyond, higher=higher) for run, spread in runs[:_RUNS])
            if lines:
                found.append(Table(group, metric, lines, beyond, len(runs) - len(lines)))
    return found


def _line(run: RunView, spread: Spread, *, beyond: bool, higher: bool | None) -> Line:
    bins = spread.bins if beyond else spread.bins[:-1]
    most = max(bins) or 1
    width = 100 / len(bins)
    # Few samples beside many are still seen.
    bars = tuple(
        Bar(round(place * width, 2), max(round(100 * count / most, 2), 3.0))
        for place, count in enumerate(bins)
        if count
    )
    return Line(run, spread, bars, None if higher is None else spread.ones if higher else spread.zeros)
