"""Sections made of two templates: what all built-in ones are."""

from collections.abc import Mapping

from markupsafe import Markup

from vhb_reporter.environment import html_environment, markdown_environment
from vhb_reporter.model import Report
from vhb_reporter.sections.base import ReportSection


class TemplateSection(ReportSection):
    """Renders `templates/<name>.html.j2` and `templates/<name>.md.j2` over `report` and what `context` adds."""

    def context(self, report: Report) -> Mapping[str, object]:
        """Further variables of the templates."""
        return {}

    def html(self, report: Report) -> Markup:
        template = html_environment().get_template(f"{self.name}.html.j2")
        return Markup(template.render(report=report, **self.context(report)))  # noqa: S704 - autoescaped template

    def markdown(self, report: Report) -> str:
        template = markdown_environment().get_template(f"{self.name}.md.j2")
        return template.render(report=report, **self.context(report))
