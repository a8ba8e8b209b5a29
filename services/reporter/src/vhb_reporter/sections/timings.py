"""How fast models answered."""

from typing import ClassVar

from vhb_reporter.model import Report
from vhb_reporter.sections.template import TemplateSection


class TimingTable(TemplateSection):
    """Latency, time to first token, tokens and throughput per run, measured on the requests that are scored."""

    name: ClassVar[str] = "timings"
    title: ClassVar[str] = "Timings"
    order: ClassVar[int] = 600

    def wanted(self, report: Report) -> bool:
        return any(run.timings.requests for run in report.runs)
