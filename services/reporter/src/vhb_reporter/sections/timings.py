"""How fast models answered, as far as the answers alone tell."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from vhb_reporter.language import noted
from vhb_reporter.model import Report, RunView
from vhb_reporter.sections.template import TemplateSection


class TimingTable(TemplateSection):
    """Latency, time to first token, tokens and throughput of runs without performance figures: answers that were
    stored before those were measured."""

    name: ClassVar[str] = "timings"
    title: ClassVar[str] = noted("Timings")
    order: ClassVar[int] = 610

    def wanted(self, report: Report) -> bool:
        return any(_shown(report.runs))

    def context(self, report: Report) -> Mapping[str, object]:
        return {"runs": _shown(report.runs)}


def _shown(runs: Sequence[RunView]) -> list[RunView]:
    return [run for run in runs if run.timings.requests and run.performance is None]
