"""The contract of report sections."""

from abc import ABC, abstractmethod
from typing import ClassVar

from markupsafe import Markup

from vhb_reporter.model import Report


class ReportSection(ABC):
    """One part of a report, under a heading of its own that the page writes.

    Sections are created without arguments, compute from the report alone and do no I/O; they run in a thread. What
    they show of answers, references, errors and names is untrusted: it must be escaped (`html` returns `Markup` made by
    an autoescaping template, `markdown` uses `vhb_reporter.inert.markdown`). The page allows no scripts and no network;
    styles and images go inline. A section that raises is replaced by a note with its error; the report still appears.
    """

    name: ClassVar[str]
    """Identifies it in the registry and as the anchor in the page: lower case, a-z, 0-9, hyphens."""
    title: ClassVar[str]
    order: ClassVar[int] = 500
    """Place in the report; the built-in ones are at 100, 200, ..."""

    def wanted(self, report: Report) -> bool:
        """Whether it has anything to say about this report."""
        return True

    @abstractmethod
    def html(self, report: Report) -> Markup:
        """The section's content for report.html, without its heading; sub-headings start at `<h3>`."""

    @abstractmethod
    def markdown(self, report: Report) -> str:
        """The section's content for report.md, without its heading; sub-headings start at `###`."""
