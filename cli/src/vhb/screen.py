"""Consoles and tables: one look for all commands, nothing cut off when the output is not a terminal."""

from collections.abc import Sequence
from typing import IO, Literal

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

_GAP = 2
"""Between columns."""
_PROSE = 30
_WIDE = 1000
"""Columns where nobody's window sets a limit: pipes and files get every cell whole."""


def console(*, stderr: bool = False) -> Console:
    """A console for results (standard output) or for progress and messages (standard error)."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)


class _Table(Table):
    """Texts in it are what they are: `[pass@1]` in the name of a metric is no markup."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """See `Table.add_row`."""
        plain = (Text(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*plain, style=style, end_section=end_section)


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table without lines; nothing in it is markup.

    Args:
        columns: headings. The first names the row: it is what people copy, so it is not broken over lines.
        right: headings of the columns that hold numbers.
    """
    made = _Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        justify: Literal["right", "left"] = "right" if column in right else "left"
        made.add_column(Text(column), justify=justify, overflow="fold", no_wrap=number == 0)
    return made


def narrowed(to: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str]) -> list[int]:
    """Which columns to show, by position: all where there is room, else without some of `spare`, the first to go first.

    The last column holds prose and may be broken over lines; it keeps at least `_PROSE` columns of the window.
    """
    kept = list(range(len(columns)))
    widths = [max(cell_len(text) for text in (column, *(row[n] for row in rows))) for n, column in enumerate(columns)]
    for name in spare:
        wanted = sum(widths[n] + _GAP for n in kept[:-1]) + min(widths[kept[-1]], _PROSE)
        if wanted <= to.width:
            break
        kept.remove(columns.index(name))
    return kept


def say(to: Console, text: str, style: str = "") -> None:
    """One message on one line, however long; nothing in it is markup."""
    to.print(Text(text, style=style), soft_wrap=True)


def harmless(text: str) -> str:
    """What a model, a data set or a server says must not steer the terminal: as text what is not printable."""
    return "".join(each if each.isprintable() or each == "\t" else f"\\u{ord(each):04x}" for each in text)


class CurrentStderr:
    """Standard error as it is at the moment of writing: while a live display runs, that is what keeps a log line from
    tearing it."""

    def write(self, text: str) -> int:
        """Writes to whatever `sys.stderr` is now."""
        return _stderr().write(text)

    def flush(self) -> None:
        """Flushes it."""
        _stderr().flush()

    def isatty(self) -> bool:
        """Whether a person sees it."""
        return _stderr().isatty()


def _stderr() -> IO[str]:
    import sys

    return sys.stderr
