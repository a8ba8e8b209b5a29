"""Delimited text as people really save it: BOM, either separator, quoted newlines; with physical line numbers."""

import csv
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from vhb_shared.errors import UserError

LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of one line; more is not a table that people wrote."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; its cells by column name. With a `problem` the cells are not to be trusted."""

    line: int
    """Physical line it starts on, 1-based."""
    cells: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


class _Lines:
    """Decodes a file line by line and remembers what was wrong with the lines of the current row."""

    def __init__(self, file: BinaryIO, name: str, limit: int) -> None:
        self._file = file
        self._name = name
        self._limit = limit
        self._number = 0
        self.problem: tuple[int, str] | None = None
        """The line and what is wrong with it."""

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(self._limit + 1):
            self._number += 1
            if len(line) > self._limit:
                raise UserError(f"{self._name}, line {self._number}: longer than {self._limit} bytes; not a text table")
            if self._number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if b"\0" in line:
                self._note("holds a NUL byte, expected text")
                line = line.replace(b"\0", b"")
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                self._note("is not UTF-8, expected text saved as UTF-8")
                yield line.decode("utf-8", errors="replace")

    def _note(self, problem: str) -> None:
        self.problem = self.problem or (self._number, problem)

    def take_problem(self) -> tuple[int, str] | None:
        problem, self.problem = self.problem, None
        return problem


def nearest(name: str, known: Sequence[str]) -> str:
    """`; did you mean "x"?`, or nothing when no known name is near."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def read_table(
    path: Path,
    *,
    columns: Sequence[str],
    required: Sequence[str],
    delimiters: str = ";,\t",
    aliases: Mapping[str, str] | None = None,
    line_limit: int = LINE_LIMIT,
    foreign: bool = False,
    more: Sequence[str] = (),
) -> Iterator[TableRow]:
    """Yields the rows below the header; blank lines are no rows.

    Args:
        path: a text file, UTF-8 with or without BOM.
        columns: names with a meaning; others are passed on as they are.
        required: names that must be in the header.
        delimiters: the one that splits the header into most known names is taken; the first on a tie.
        aliases: other names of known columns, for files that lack the known one.
        line_limit: bytes of one line.
        more: further names with a meaning, which other columns may resemble.
        foreign: the file has columns of its own; otherwise an unknown one that is nearly a known one is a mistake.

    Raises:
        UserError: no such file, not text, no header, a column missing or twice, quotes that do not close.
    """
    name = path.name
    # The csv module has one limit for the process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), line_limit))
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    with file:
        _check_text(file, path)
        lines = _Lines(file, name, line_limit)
        iterator = iter(lines)
        header_line = next(iterator, None)
        if header_line is None or not header_line.strip():
            raise UserError(f"{path}: is empty, expected a header line with {', '.join(columns)}")
        if lines.take_problem():
            raise UserError(f"{path}, line 1: is not text saved as UTF-8; expected a header with {', '.join(columns)}")
        header, delimiter = _header(header_line, path, (*columns, *more), delimiters, aliases or {})
        _check_header(header, path, columns, required, foreign, more)
        reader = csv.reader(iterator, delimiter=delimiter, strict=True)
        while True:
            start = reader.line_num + 2  # the header is line 1 and was not seen by this reader
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # The rest of the file would be read shifted, so row numbers could not be trusted: always fatal.
                raise UserError(f"{path}, line {start}: broken quoting or line ends ({error})") from error
            if not cells:
                continue
            place = lines.take_problem()
            problem = place and (place[1] if place[0] == start else f"line {place[0]} {place[1]}")
            if problem is None and len(cells) != len(header):
                problem = f"expected {len(header)} cells, found {len(cells)}"
            yield TableRow(start, dict(zip(header, cells, strict=False)), problem)


def _check_text(file: BinaryIO, path: Path) -> None:
    start = file.read(4096)
    file.seek(0)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path}: is UTF-16; save it as UTF-8")
    if b"\0" in start.split(b"\n", 1)[0]:
        raise UserError(f"{path}: is not a text table (its first line holds NUL bytes)")


def _header(
    line: str, path: Path, columns: Sequence[str], delimiters: str, aliases: Mapping[str, str]
) -> tuple[list[str], str]:
    best: list[str] = []
    delimiter = delimiters[0]
    for candidate in delimiters:
        try:
            cells = next(csv.reader([line], delimiter=candidate, strict=True))
        except (csv.Error, StopIteration):
            continue
        names = [cell.strip() for cell in cells]
        names = [name.lower() if name.lower() in columns or name.lower() in aliases else name for name in names]
        names = [name if aliases.get(name, name) in names else aliases[name] for name in names]
        if not best or len(set(names) & set(columns)) > len(set(best) & set(columns)):
            best, delimiter = names, candidate
    if not best:
        raise UserError(f"{path}, line 1: the header cannot be read (broken quoting)")
    return best, delimiter


def _check_header(
    header: Sequence[str],
    path: Path,
    columns: Sequence[str],
    required: Sequence[str],
    foreign: bool,
    more: Sequence[str],
) -> None:
    doubled = sorted({name for name in header if header.count(name) > 1 and name})
    if doubled:
        raise UserError(f'{path}, line 1: column "{doubled[0]}" is there twice; keep one')
    unknown = [name for name in header if name not in columns and name not in more]
    for name in columns:
        if name in header:
            continue
        close = difflib.get_close_matches(name, unknown, n=1, cutoff=0.8)
        if name in required or (close and not foreign):
            near = close or difflib.get_close_matches(name, unknown, n=1, cutoff=0.4)
            found = ", ".join(header)[:500]
            hint = f'; nearest is "{near[0]}"' if near else ""
            raise UserError(f'{path}, line 1: no such column "{name}"; found: {found}{hint}')
