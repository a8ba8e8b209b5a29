"""Which backends are there just now: events say what was announced, the bus says who still holds them.

An agent that was killed announces nothing. Its claims expire, so what nobody claims any more is gone, whatever was
announced last.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

from vhb_api.db.tables import BackendRow
from vhb_shared.bus.client import Bus
from vhb_shared.contracts.state import AgentInfo, Claim

BackendState = Literal["starting", "ready", "idle", "stopping", "failed", "stopped"]
"""ready: it answers, and runs want it; idle: it answers and is kept for who wants it next."""
_OF_SESSION: dict[str, BackendState] = {
    "starting": "starting", "serving": "ready", "idle": "idle", "stopping": "stopping",
}  # fmt: skip


class StateNow(NamedTuple):
    """Of one start of a backend."""

    state: BackendState
    reason: str | None


async def states_now(bus: Bus, rows: Sequence[BackendRow]) -> list[StateNow]:
    """The states of starts, in their order.

    Args:
        bus: asked only where something may still run.
        rows: read before this is called: a claim is there before a start is announced.

    Raises:
        Unavailable: the bus does not answer.
    """
    if all(row.state in ("failed", "stopped") for row in rows):
        return [_announced(row) for row in rows]
    claims = {(claim.backend_id, claim.replica): claim for claim in await bus.claims.values(Claim)}
    agents = {agent.agent_id: agent for agent in await bus.agents.values(AgentInfo)}
    return [_now(row, claims.get((row.backend_id, row.replica)), agents.get(row.agent_id)) for row in rows]


def _announced(row: BackendRow) -> StateNow:
    return StateNow(cast(BackendState, row.state), row.reason)


def _now(row: BackendRow, claim: Claim | None, agent: AgentInfo | None) -> StateNow:
    if row.state in ("failed", "stopped"):
        return _announced(row)
    if claim is None or claim.session != row.session:
        # With its agent there, that it stopped is being announced just now.
        return StateNow("stopped", None if agent is not None else f"Agent {row.agent_id} is not online any more.")
    for session in agent.sessions if agent is not None else ():
        if (session.backend_id, session.replica) == (row.backend_id, row.replica):
            return StateNow(_OF_SESSION[session.state], None)
    return _announced(row)
