"""What a measurement yields: a table with what was measured, and against which goal."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Figures:
    """One table."""

    name: str
    """Of the measurement: `python -m bench NAME`."""
    title: str
    goal: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    def shown(self) -> Table:
        """For a terminal."""
        table = Table(*self.columns, title=self.title, title_justify="left", caption=self.goal, caption_justify="left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For README.md."""
        lines = [f"### {self.title}", "", f"`python -m bench {self.name}`. {self.goal}", ""]
        lines += [_line(self.columns), _line(["---"] * len(self.columns)), *(_line(row) for row in self.rows)]
        return "\n".join([*lines, *(["", self.note] if self.note else []), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
