"""What backend sessions used over the last minutes: a few numbers a session, for small charts."""

from collections import OrderedDict, deque
from time import time

from pydantic import BaseModel

from vhb_shared.contracts.live import BackendTelemetry

MOST_SESSIONS = 500
EVERY_S = 5.0
POINTS = 120
"""Ten minutes."""
FRESH_S = 30.0
"""A session that has said nothing for so long serves nobody just now."""


class UsePoint(BaseModel):
    """One moment of a session. None: not measured."""

    at: float
    """Unix seconds."""
    memory_used: int | None
    """Bytes, over all devices of the session; without devices, of the host."""
    memory_total: int | None
    device_use: float | None
    """0 to 1, on average over its devices."""
    requests_per_s: float
    tokens_per_s: float | None
    in_flight: int


class SessionUse(BaseModel):
    """What a session used of late."""

    session: str
    backend_id: str
    model: str
    agent_id: str
    replica: int
    devices: int
    points: list[UsePoint]


class UseBoard:
    """Sessions by who serves them; bounded."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, tuple[BackendTelemetry, deque[UsePoint]]] = OrderedDict()

    def note(self, said: BackendTelemetry) -> None:
        """Takes a word in; each job of a session is told the same."""
        _, points = self._sessions.get(said.session, (said, deque(maxlen=POINTS)))
        self._sessions[said.session] = (said, points)
        self._sessions.move_to_end(said.session)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        now = time()
        if points and now - points[-1].at < EVERY_S:
            return
        points.append(
            UsePoint(
                at=round(now, 1),
                memory_used=said.device_memory_used if said.devices else said.memory,
                memory_total=said.device_memory_total,
                device_use=said.device_use,
                requests_per_s=said.requests_per_s,
                tokens_per_s=said.tokens_per_s,
                in_flight=said.in_flight,
            )
        )

    def sessions(self) -> list[SessionUse]:
        """Those that serve just now, by agent and model."""
        now = time()
        found = [
            SessionUse(
                session=said.session, backend_id=said.backend_id, model=said.model, agent_id=said.agent_id,
                replica=said.replica, devices=said.devices, points=list(points),
            )
            for said, points in self._sessions.values()
            if points and now - points[-1].at < FRESH_S
        ]  # fmt: skip
        return sorted(found, key=lambda use: (use.agent_id, use.model, use.replica))
