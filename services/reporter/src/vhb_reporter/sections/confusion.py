"""Which class was taken for which, of metrics that say what was expected and what was predicted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from vhb_reporter.language import gettext, noted
from vhb_reporter.measures import Confusion
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.template import TemplateSection

_LABELS = 15
_RUNS = 24
_MISTAKES = 10


class Cell(NamedTuple):
    """How often; `share` in percent of the row."""

    number: int
    share: int
    right: bool


class Matrix(NamedTuple):
    """One run."""

    run: RunView
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...], int], ...]
    """Expected class, cells, how often it was expected."""
    mistakes: tuple[tuple[str, str, int], ...]


class MatrixGroup(NamedTuple):
    """One metric of one comparison."""

    group: ComparisonGroup
    metric: str
    matrices: tuple[Matrix, ...]
    more: int


class ConfusionMatrices(TemplateSection):
    """One coloured matrix per run."""

    name: ClassVar[str] = "confusion"
    title: ClassVar[str] = noted("Confusion")
    order: ClassVar[int] = 440

    def wanted(self, report: Report) -> bool:
        return any(run.confusions for run in report.runs)

    def context(self, report: Report) -> Mapping[str, object]:
        found = []
        for group in report.groups:
            for metric in group.metrics:
                runs = [run for run in group.ranked() if metric in run.confusions]
                if runs:
                    labels = _labels([pair for run in runs for pair in run.confusions[metric]])
                    matrices = tuple(_matrix(run, run.confusions[metric], labels) for run in runs[:_RUNS])
                    found.append(MatrixGroup(group, metric, matrices, len(runs) - len(matrices)))
        return {"found": found}


def _labels(pairs: Sequence[Confusion]) -> list[str]:
    """The most frequent classes, those that were expected first; the same for all runs."""
    expected, predicted = Counter[str](), Counter[str]()
    for pair in pairs:
        expected[pair.expected or ""] += pair.number
        predicted[pair.predicted or ""] += pair.number
    order = [name for name, _ in (expected + Counter()).most_common() if name]
    order += [name for name, _ in predicted.most_common() if name and name not in expected]
    return order[:_LABELS]


def _matrix(run: RunView, pairs: Sequence[Confusion], labels: Sequence[str]) -> Matrix:
    others, nothing = gettext("(others)"), gettext("(none)")

    def shown(name: str | None) -> str:
        return nothing if name is None else name if name in labels else others

    counts: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        counts[shown(pair.expected), shown(pair.predicted)] += pair.number
    ends = [name for name in (others, nothing) if any(name in key for key in counts)]
    columns = (*labels, *ends)
    lines = []
    for expected in columns:
        row = [counts[expected, predicted] for predicted in columns]
        total = sum(row)
        if total:
            cells = tuple(
                Cell(count, round(100 * count / total), expected == predicted and expected in labels)
                for count, predicted in zip(row, columns, strict=True)
            )
            lines.append((expected, cells, total))
    wrong = [(pair.expected or nothing, pair.predicted or nothing, pair.number) for pair in pairs
             if pair.expected != pair.predicted]  # fmt: skip
    return Matrix(run, columns, tuple(lines), tuple(sorted(wrong, key=lambda item: -item[2])[:_MISTAKES]))
