"""A document in memory, and where in its file each part of it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vhb_shared.errors import UserError

Loc = tuple[str | int, ...]
"""The way to a part: keys of mappings and positions in lists."""


class Mark(NamedTuple):
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """What a file holds."""

    path: Path
    data: Any
    keys: dict[Loc, Mark] = field(default_factory=dict)
    """Where the key of a mapping's part is written."""
    values: dict[Loc, Mark] = field(default_factory=dict)
    """Where a part's value starts."""

    def where(self, loc: Loc, *, key: bool = False) -> str:
        """`job.yaml, line 3, column 5` for a part, or for the nearest part around it that has a place.

        Args:
            loc: the part.
            key: its key rather than its value.
        """
        mark = self._mark(loc, key)
        return f"{self.path}, line {mark.line}, column {mark.column}" if mark else str(self.path)

    def line(self, loc: Loc) -> int:
        """The line of a part, for ordering; 0 when nothing is known."""
        mark = self._mark(loc, False)
        return mark.line if mark else 0

    def _mark(self, loc: Loc, key: bool) -> Mark | None:
        for end in range(len(loc), -1, -1):
            part = loc[:end]
            mark = (self.keys.get(part) if key else None) or self.values.get(part)
            if mark is not None:
                return mark
        return None


def spell(loc: Loc) -> str:
    """`models[0].generation.seed`; parts of a list are counted from 0."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def problems_error(path: Path, problems: tuple[str, ...]) -> UserError:
    """One error for all the mistakes of a file."""
    if len(problems) == 1:
        return UserError(problems[0])
    return UserError(f"{path} has {len(problems)} mistakes:\n" + "\n".join(f"- {line}" for line in problems), problems)
