"""Pages of lists: where one ends, the next begins; rows that come meanwhile shift nothing."""

import base64
import binascii
import json
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from vhb_api.rest.problems import Failed

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="Entries of a page, at most.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")]


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    next: str | None = None
    """Where the next page begins; none where this was the last."""


def written(*place: str | int) -> str:
    """A place in a list as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place_of(cursor: str | None, *kinds: type) -> tuple[str | int, ...] | None:
    """The place of a cursor; None for the beginning.

    Raises:
        Failed: it is none that was given out.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(base64.urlsafe_b64decode(padded))
        fits = isinstance(place, list) and [type(part) for part in place] == list(kinds)
    except (binascii.Error, ValueError, RecursionError):
        fits = False
    if not fits or any(isinstance(part, int) and not -(2**62) < part < 2**62 for part in place):
        raise Failed(400, "This cursor is none that was given out: leave it away to begin anew.")
    return tuple(place)
