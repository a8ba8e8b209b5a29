"""Assembles reports from sections. Blocking; call it in a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import structlog
from markupsafe import Markup, escape

from vhb_reporter import inert
from vhb_reporter.environment import html_environment, markdown_environment
from vhb_reporter.language import gettext, speaking
from vhb_reporter.model import Report
from vhb_reporter.sections.base import ReportSection
from vhb_reporter.sections.registry import load_sections

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    title: str
    body: Markup


def html(report: Report) -> str:
    """report.html: one file that needs nothing else, runs nothing and loads nothing."""

    def failed(title: str, error: Exception) -> Markup:
        return Markup('<p class="note bad">{}</p>').format(inert.visible(_failed(title, error)))

    style = Markup(files("vhb_reporter").joinpath("templates/report.css").read_text("utf-8"))  # noqa: S704 - our file
    with speaking(report.language):
        parts = _parts(report, lambda section: escape(section.html(report)), failed)
        return html_environment().get_template("page.html.j2").render(report=report, parts=parts, style=style)


def markdown(report: Report) -> str:
    """report.md, in GitHub's flavour."""

    def failed(title: str, error: Exception) -> Markup:
        return inert.markdown(_failed(title, error))

    with speaking(report.language):
        parts = _parts(report, lambda section: Markup(section.markdown(report).strip()), failed)  # noqa: S704 - escaped
        text = markdown_environment().get_template("page.md.j2").render(report=report, parts=parts)
    return _single_blank_lines(text)


def _failed(title: str, error: Exception) -> str:
    said = gettext("The section \u201c%(title)s\u201d could not be made: %(error)s")
    return said % {"title": gettext(title), "error": str(error)[:500]}


def warm_up() -> None:
    """Loads every section and compiles every template."""
    load_sections()
    for environment, suffix in ((html_environment(), ".html.j2"), (markdown_environment(), ".md.j2")):
        for name in environment.list_templates():
            if name.endswith(suffix):
                environment.get_template(name)


def _parts(
    report: Report, body: Callable[[ReportSection], Markup], failed: Callable[[str, Exception], Markup]
) -> list[_Part]:
    parts = []
    for section in load_sections():
        try:
            if not section.wanted(report):
                continue
            content = body(section)
        except Exception as error:  # A plug-in's mistake must not cost the user the report.
            _log.exception("report section failed", section=section.name, job_id=report.job_id)
            content = failed(section.title, error)
        if content.strip():
            parts.append(_Part(section.name, section.title, content))
    return parts


def _single_blank_lines(text: str) -> str:
    """Templates leave runs of blank lines; inside fenced blocks (answers) they are kept."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = "`" * (len(line) - len(line.lstrip("`")))
        elif not line.strip() and (not lines or not lines[-1].strip()):
            continue
        lines.append(line.rstrip() if not fence else line)
    return "\n".join(lines).strip() + "\n"
