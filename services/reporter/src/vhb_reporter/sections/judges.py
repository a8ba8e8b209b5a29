"""Who judged, how often they failed, and how far they agree."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.model import Report, RunView
from vhb_reporter.sections.template import TemplateSection
from vhb_shared.contracts.judges import Panel

_PROMPTS = 12


class Line(NamedTuple):
    """The judges of one metric of one run."""

    run: RunView
    metric: str
    panel: Panel


class Judges(TemplateSection):
    """For metrics that ask models: each judge of each run, and what judges were told."""

    name: ClassVar[str] = "judges"
    title: ClassVar[str] = noted("Judges")
    order: ClassVar[int] = 510

    def wanted(self, report: Report) -> bool:
        return any(run.panels for run in report.runs)

    def context(self, report: Report) -> Mapping[str, object]:
        lines = [Line(run, metric, panel) for run in report.runs for metric, panel in run.panels.items()]
        prompts = {(line.metric, str(line.panel.prompt)): line for line in lines if line.panel.prompt}
        return {"lines": lines, "prompts": list(prompts.values())[:_PROMPTS], "more": max(len(prompts) - _PROMPTS, 0)}
