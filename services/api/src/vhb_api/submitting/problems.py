"""A user's mistakes as data: the sentence, and where in the file it is."""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from vhb_shared.errors import UserError

_PLACE = re.compile(r", line (?P<line>\d+)(?:, column (?P<column>\d+))?")
MOST = 50


class Problem(BaseModel):
    """One mistake."""

    message: str
    line: int | None = None
    """From 1; none where the place is not in the file that was handed in."""
    column: int | None = None
    field: str | None = None
    """The field of the request's body that it is about, where that is no file."""


class Refused(Exception):  # noqa: N818 - a condition of what was handed in
    """What was handed in cannot be run as it is."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


def problems_of(error: UserError, file: str, *folders: Path | None) -> list[Problem]:
    """The mistakes of an error.

    Args:
        error: what was raised.
        file: the name of the file that was handed in; only places in it are places for the user.
        folders: where it and what it names lay here, which is of no use to the user.
    """
    return [_problem(line, file, folders) for line in error.problems[:MOST]]


def _problem(sentence: str, file: str, folders: Sequence[Path | None]) -> Problem:
    said = sentence
    for folder in filter(None, folders):
        said = said.replace(f"{folder}/", "").replace(str(folder), folder.name)
    found = _PLACE.match(said, len(file)) if said.startswith(file) else None
    if found is None:
        return Problem(message=said)
    column = found["column"]
    return Problem(message=said, line=int(found["line"]), column=int(column) if column else None)
