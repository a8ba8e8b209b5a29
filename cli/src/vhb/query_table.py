"""An answer of `vhb query` for people: a table, or what of it fits the window. Nothing in it steers the terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from vhb.screen import harmless, say, table
from vhb_shared.analytics.engine import Answer
from vhb_shared.analytics.texts import plain

_SHOWN = 200
"""Characters of a cell that a terminal shows."""
_FOLDED = 40
"""Columns of the window that a text gets before it is folded."""
_GAP = 2


def show_answer(answer: Answer, to: Console) -> None:
    """Prints a table. Where a window has no room for it, what is the same in all rows comes first and once; where that
    does not do, every row becomes lines of its own. Pipes and files get the whole table."""
    columns = tuple(map(harmless, answer.columns))
    rows = [tuple(_cell(value, to.is_terminal) for value in row) for row in answer.rows]
    numbers = {place for place in range(len(columns)) if any(_is_number(row[place]) for row in answer.rows)}
    every = list(range(len(columns)))
    if not to.is_terminal or _width(columns, rows, every) <= to.width:
        to.print(_table(columns, rows, every, numbers))
        return
    same = [place for place in every if len(rows) > 1 and len({row[place] for row in rows}) == 1]
    rest = [place for place in every if place not in same]
    if rest and _width(columns, rows, rest) <= to.width:
        for place in same:
            if rows[0][place]:
                say(to, f"{columns[place]}: {rows[0][place]}", "dim")
        to.print(_table(columns, rows, rest, numbers))
        return
    for line in _records(columns, rows):
        say(to, line)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], places: Sequence[int], numbers: set[int]) -> Table:
    made = table(*(columns[place] for place in places))
    for place, column in zip(places, made.columns, strict=True):
        column.justify = "right" if place in numbers else "left"
        column.no_wrap = False  # an answer may stand first, and nothing of it may be lost
    for row in rows:
        made.add_row(*(row[place] for place in places))
    return made


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]], places: Sequence[int]) -> int:
    widest = (max(cell_len(text) for text in (columns[n], *(row[n][:_FOLDED] for row in rows)))
              for n in places)  # fmt: skip
    return sum(width + _GAP for width in widest) - _GAP


def _records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    name_width = max(map(cell_len, columns))
    for number, row in enumerate(rows, start=1):
        yield f"row {number}"
        for column, text in zip(columns, row, strict=True):
            if text:
                yield f"  {column}{' ' * (name_width - cell_len(column))}  {text}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: Any, cut: bool) -> str:
    if value is None:
        return ""
    text = harmless(f"{value:.6g}" if isinstance(value, float) else plain(value))
    return f"{text[:_SHOWN]}…" if cut and len(text) > _SHOWN else text
