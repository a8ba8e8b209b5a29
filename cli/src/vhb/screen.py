"""Consoles and tables: one look for all commands, nothing cut off when the output is not a terminal."""

from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 1000
"""Columns where nobody's window sets a limit: pipes and files get every cell whole."""


def console(*, stderr: bool = False) -> Console:
    """A console for results (standard output) or for progress and messages (standard error)."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table without lines.

    Args:
        columns: headings.
        right: headings of the columns that hold numbers.
    """
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def say(to: Console, text: str, style: str = "") -> None:
    """One message on one line, however long; nothing in it is markup."""
    to.print(Text(text, style=style), soft_wrap=True)


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
