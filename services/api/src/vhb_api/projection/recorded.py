"""Events as the projection keeps them: what the stream says, with its place there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vhb_api.db.tables import EventRow
from vhb_shared.contracts.events import EVENTS, Event

TYPES: dict[str, type[Event]] = {event.what: event for event in EVENTS}
MADE_UP = 0
"""Where in the stream an event stands that was put together from storage."""


@dataclass(frozen=True)
class Recorded:
    """An event, where it stands in the stream and when it was announced."""

    seq: int
    time: datetime
    event: Event
    source: str = "/vlmhyperbench"
    """Who said it."""


def recorded(seq: int, headers: Mapping[str, str], what: str, data: bytes) -> Recorded | None:
    """A message of the stream; None when it is of a kind that this version does not know.

    Raises:
        ValueError: it is not what it says it is (pydantic's error is one).
    """
    model = TYPES.get(what)
    if model is None:
        return None
    event = model.model_validate_json(data)
    return Recorded(seq, _time(headers.get("ce-time", "")), event, headers.get("ce-source", "/vlmhyperbench"))


def as_row(one: Recorded) -> dict[str, Any]:
    """The row of an event."""
    event = one.event
    return {
        "id": event.id,
        "seq": one.seq,
        "job_id": event.job_id,
        "run_id": getattr(event, "run_id", None),
        "what": event.what,
        "key": event.key,
        "round": getattr(event, "round", 0),
        "time": one.time,
        "data": event.model_dump(mode="json"),
    }


def of_row(row: EventRow) -> Recorded:
    """The event of a row."""
    return Recorded(row.seq, row.time, TYPES[row.what].model_validate(row.data))


def _time(said: str) -> datetime:
    try:
        time = datetime.fromisoformat(said)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
