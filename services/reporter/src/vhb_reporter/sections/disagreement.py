"""The samples on which models differ most: where a choice between them matters."""

from collections.abc import Mapping
from typing import ClassVar

from vhb_reporter.language import noted
from vhb_reporter.model import Report
from vhb_reporter.sections.template import TemplateSection


class Disagreement(TemplateSection):
    """A table per comparison, by its first metric."""

    name: ClassVar[str] = "disagreement"
    title: ClassVar[str] = noted("Where models differ most")
    order: ClassVar[int] = 750

    def wanted(self, report: Report) -> bool:
        return bool(report.disagreed)

    def context(self, report: Report) -> Mapping[str, object]:
        return {
            "found": [
                (place, group, report.disagreed[group.title])
                for place, group in enumerate(report.groups)
                if group.title in report.disagreed
            ]
        }
