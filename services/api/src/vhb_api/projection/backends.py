"""A backend's row as a function of what was announced about one start of it. Pure."""

from collections.abc import Sequence
from typing import Any

from vhb_api.projection.recorded import Recorded
from vhb_shared.contracts.events import BackendFailed, BackendReady, BackendStarting, BackendStopped

BACKEND_EVENTS = (BackendStarting, BackendReady, BackendFailed, BackendStopped)
_STATES = ("starting", "ready", "stopped", "failed")
"""Later ones win."""


def backend_row(events: Sequence[Recorded]) -> dict[str, Any]:
    """The row; `events` holds one at least, in any order."""
    first = min(events, key=lambda one: one.seq)
    latest = max(events, key=lambda one: (_STATES.index(_state(one)), -one.seq))
    about: Any = first.event
    ready = next((one.event.seconds for one in events if isinstance(one.event, BackendReady)), None)
    row = {name: getattr(about, name) for name in ("backend_id", "replica", "session", "job_id", "model", "agent_id")}
    return row | {
        "state": _state(latest),
        "started_at": min(one.time for one in events),
        "changed_at": latest.time,
        "seconds_to_ready": ready,
        "reason": _reason(latest),
    }


def _state(one: Recorded) -> str:
    return one.event.what.partition(".")[2]


def _reason(one: Recorded) -> str | None:
    if isinstance(one.event, BackendFailed):
        return one.event.failure.message
    return one.event.reason if isinstance(one.event, BackendStopped) else None
