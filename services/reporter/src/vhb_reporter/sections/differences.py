"""Whether the best run is better than the others for certain, or by the luck of the samples."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.formats import NOTHING
from vhb_reporter.language import gettext, ngettext, noted
from vhb_reporter.model import ComparisonGroup, Differences, Report, RunDifference, RunView
from vhb_reporter.sections.template import TemplateSection
from vhb_reporter.variants import families
from vhb_shared.contracts.comparison import Difference
from vhb_shared.statistics.verdict import Wording, decimals, p_text, verdict


class Line(NamedTuple):
    """One run against the best."""

    run: RunView
    found: Difference
    difference: str
    interval: str
    p: str
    detectable: str
    better: str
    """Samples on which the best run is better; nothing for metrics that say little of a sample."""
    worse: str
    said: str
    unpaired: str
    """What one of the two was asked alone; empty where all samples pair."""


class Table(NamedTuple):
    """One comparison."""

    group: ComparisonGroup
    best: RunView
    lines: tuple[Line, ...]
    left_out: str
    """Why there are no lines; empty where there are."""


class DifferencesSection(TemplateSection):
    """A table per comparison, by its first metric, with a verdict in words for each run."""

    name: ClassVar[str] = "differences"
    title: ClassVar[str] = noted("Differences")
    order: ClassVar[int] = 250

    def wanted(self, report: Report) -> bool:
        return bool(report.differences)

    def context(self, report: Report) -> Mapping[str, object]:
        tables = [
            _table(group, report.differences[group.title])
            for group in report.groups
            if group.title in report.differences
        ]
        return {
            "tables": tables,
            "tests": sum(line.found.p_value is not None for one in tables for line in one.lines),
            "variants": any(family.variants for family in families(report.groups)),
        }


def _table(group: ComparisonGroup, found: Differences) -> Table:
    lines = tuple(_line(found.best, each) for each in found.against)
    return Table(group, found.best, lines, _left_out(found, group.metrics[0]))


def _line(best: RunView, each: RunDifference) -> Line:
    found = each.found
    digits = decimals((found.ci_high or 0.0) - (found.ci_low or 0.0))
    counted = found.test != "bootstrap" and bool(
        found.baseline_better or found.candidate_better or not found.difference
    )
    return Line(
        run=each.run,
        found=found,
        difference=NOTHING if found.difference is None else f"{found.difference:+.{digits}f}",
        interval="" if found.ci_low is None else f"[{found.ci_low:.{digits}f}, {found.ci_high:.{digits}f}]",
        p=NOTHING if found.p_holm is None else p_text(found.p_holm).removeprefix("p").removeprefix("="),
        detectable=(
            NOTHING
            if found.smallest_detectable is None
            else f"{found.smallest_detectable:.{decimals(found.smallest_detectable)}f}"
        ),
        better=f"{found.baseline_better:,}" if counted else NOTHING,
        worse=f"{found.candidate_better:,}" if counted else NOTHING,
        said=verdict(found, best.label, each.run.label, Wording(gettext, ngettext)),
        unpaired=_unpaired(best, each),
    )


def _unpaired(best: RunView, each: RunDifference) -> str:
    if not (each.only_best or each.only_run):
        return ""
    said = gettext("asked of %(best)s only: %(first)s samples, of %(run)s only: %(second)s; they do not count")
    return said % {
        "best": best.label,
        "first": f"{each.only_best:,}",
        "run": each.run.label,
        "second": f"{each.only_run:,}",
    }


def _left_out(found: Differences, metric: str) -> str:
    if found.left_out is None:
        return ""
    said = {
        "evaluate": gettext(
            "Runs are not compared by %(metric)s here: a run was evaluated before that could be done; evaluate the job "
            "again with vhb evaluate."
        ),
        "asked": gettext(
            "Runs are not compared by %(metric)s here: they were asked different samples, and none can be left out of "
            "its value."
        ),
        "unknown": gettext(
            "Runs are not compared by %(metric)s here: their state is gone, and with it whether values add up."
        ),
        "samples": gettext("Too many samples to be compared in a report by %(metric)s: vhb compare does it."),
        "pairs": gettext("Too many runs to be compared in one report by %(metric)s: vhb compare does it."),
    }[found.left_out]
    return said % {"metric": metric}
