"""How the samples of each run ended."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.model import Report, RunView
from vhb_reporter.sections.template import TemplateSection
from vhb_shared.contracts.results import OUTCOMES

MEANINGS: dict[str, str] = {
    "answered": noted("the model said something and ended by itself"),
    "empty": noted("the model said nothing"),
    "truncated": noted("the answer was cut at the token limit"),
    "refused": noted("the model or its server declined"),
    "failed": noted("no answer, after all retries: infrastructure, not the model's words"),
    "withdrawn": noted("not asked to the end: cancelled or stopped early"),
}


class Piece(NamedTuple):
    """One outcome of one run: a stretch of its bar, in percent."""

    outcome: str
    number: int
    start: float
    width: float


class Line(NamedTuple):
    """One run."""

    run: RunView
    pieces: tuple[Piece, ...]


class Outcomes(TemplateSection):
    """Counts per run; `answered, empty, truncated, refused` are scored as the model's own result."""

    name: ClassVar[str] = "outcomes"
    title: ClassVar[str] = noted("Outcomes")
    order: ClassVar[int] = 500

    def context(self, report: Report) -> Mapping[str, object]:
        lines = [Line(run, _pieces(run)) for run in report.runs]
        return {"lines": lines, "outcomes": OUTCOMES, "meanings": MEANINGS}


def _pieces(run: RunView) -> tuple[Piece, ...]:
    total, start, pieces = run.counts.total, 0.0, []
    for outcome in OUTCOMES:
        number: int = getattr(run.counts, outcome)
        width = 100 * number / total if total else 0.0
        pieces.append(Piece(outcome, number, round(start, 3), round(width, 3)))
        start += width
    return tuple(pieces)
