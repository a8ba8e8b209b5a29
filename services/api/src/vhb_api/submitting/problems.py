"""A user's mistakes as data: the sentence, and where in the file it is."""

import re
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


def problems_of(error: UserError, file: str, folder: Path | None = None) -> list[Problem]:
    """The mistakes of an error.

    Args:
        error: what was raised.
        file: the name of the file that was handed in; only places in it are places for the user.
        folder: where it lay here, which is of no use to the user.
    """
    return [_problem(line, file, folder) for line in error.problems[:MOST]]


def _problem(sentence: str, file: str, folder: Path | None) -> Problem:
    said = sentence.replace(f"{folder}/", "") if folder is not None else sentence
    found = _PLACE.match(said, len(file)) if said.startswith(file) else None
    if found is None:
        return Problem(message=said)
    column = found["column"]
    return Problem(message=said, line=int(found["line"]), column=int(column) if column else None)
