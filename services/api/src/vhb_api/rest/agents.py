"""Who can run what, runs what, and what waits for a place."""

import time

from fastapi import APIRouter
from pydantic import BaseModel

from vhb_api.live.use import SessionUse
from vhb_api.rest.context import Ctx, Viewer
from vhb_api.rest.problems import documented
from vhb_shared.contracts.state import AgentInfo, BackendDemand, Claim
from vhb_shared.placement.explaining import Facts, explain_demand
from vhb_shared.placement.parts import Part, in_english

router = APIRouter(tags=["agents"], responses=documented())

MOST_WAITING = 200


class Waiting(BaseModel):
    """A backend that runs wait for and nobody holds."""

    backend_id: str
    model: str
    job_ids: list[str]
    """The first twenty."""
    runs: int
    wanted_since: float
    """Unix seconds."""
    words: str
    """Why nobody holds it, in English."""
    parts: list[Part]
    """The same in parts, for sentences in any language."""


class AgentsOverview(BaseModel):
    """The agents that are online, and what waits for them."""

    now: float
    """Unix seconds by the clock of the service."""
    agents: list[AgentInfo]
    claims: list[Claim]
    """Who has the right to host which replica."""
    waiting: list[Waiting]
    """Those that wait longest first; 200 at most."""
    waiting_total: int
    use: list[SessionUse]
    """What sessions that serve used over the last ten minutes."""


@router.get("/agents")
async def list_agents(context: Ctx, who: Viewer) -> list[AgentInfo]:
    """The agents that are online: what they can run, what they run, what is wrong."""
    return await context.bus.agents.values(AgentInfo)


@router.get("/agents/overview")
async def overview(context: Ctx, who: Viewer) -> AgentsOverview:
    """Agents, claims, what waits for a place and why, and what sessions used of late."""
    now = time.time()
    agents = await context.bus.agents.values(AgentInfo)
    demands = await context.bus.backends.values(BackendDemand)
    claims = await context.bus.claims.values(Claim)
    facts = Facts(now=now, agents=agents, demands={demand.backend_id: demand for demand in demands})
    held = {claim.backend_id for claim in claims}
    open_ = sorted(
        (demand for demand in demands if demand.run_ids and demand.backend_id not in held),
        key=lambda demand: demand.wanted_since,
    )
    return AgentsOverview(
        now=now,
        agents=sorted(agents, key=lambda agent: agent.agent_id),
        claims=sorted(claims, key=lambda claim: (claim.agent_id, claim.backend_id, claim.replica)),
        waiting=[_waiting(demand, facts) for demand in open_[:MOST_WAITING]],
        waiting_total=len(open_),
        use=context.hub.use.sessions(),
    )  # fmt: skip


def _waiting(demand: BackendDemand, facts: Facts) -> Waiting:
    parts = explain_demand(demand, facts)
    return Waiting(
        backend_id=demand.backend_id,
        model=demand.model.name,
        job_ids=list(demand.job_ids[:20]),
        runs=len(demand.run_ids),
        wanted_since=demand.wanted_since,
        words=in_english(parts),
        parts=list(parts),
    )
