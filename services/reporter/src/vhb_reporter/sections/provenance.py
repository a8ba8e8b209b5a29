"""Where the numbers come from: ids, digests, versions, hosts."""

from collections.abc import Mapping
from typing import ClassVar

from vhb_reporter.language import noted
from vhb_reporter.model import Report
from vhb_reporter.provenance import environments, metrics_used, run_facts, software
from vhb_reporter.sections.template import TemplateSection


class Provenance(TemplateSection):
    """Enough to find, check and repeat what the report shows."""

    name: ClassVar[str] = "provenance"
    title: ClassVar[str] = noted("Provenance")
    order: ClassVar[int] = 1000

    def context(self, report: Report) -> Mapping[str, object]:
        return {
            "environments": environments(report.runs),
            "software": software(report),
            "metrics": metrics_used(report.runs),
            "facts": [(run, run_facts(run)) for run in report.runs],
        }
