"""Samples without an answer, with their errors."""

from collections.abc import Mapping
from typing import ClassVar

from vhb_reporter.language import noted
from vhb_reporter.model import Report
from vhb_reporter.sections.template import TemplateSection


class Failures(TemplateSection):
    """Failed runs, and the first failed samples of each run."""

    name: ClassVar[str] = "failures"
    title: ClassVar[str] = noted("Failures")
    order: ClassVar[int] = 800

    def wanted(self, report: Report) -> bool:
        return any(run.failures or run.status != "completed" or run.reason for run in report.runs)

    def context(self, report: Report) -> Mapping[str, object]:
        return {"runs": [run for run in report.runs if run.failures or run.status != "completed" or run.reason]}
