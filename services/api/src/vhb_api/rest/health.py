"""Whether the service is alive and ready, and what it measures."""

import asyncio

from fastapi import APIRouter, Response
from nats.errors import Error as NatsError
from pydantic import BaseModel
from sqlalchemy import text

from vhb_api.db import queries
from vhb_api.rest.context import Context, Ctx, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_shared.contracts import topology
from vhb_shared.contracts.state import AgentInfo
from vhb_shared.errors import Unavailable

router = APIRouter(tags=["health"])

ANSWER_S = 3.0


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


@router.get("/healthz")
async def alive() -> Health:
    """Whether the process answers at all."""
    return Health()


@router.get("/readyz", responses={503: documented()[503]})
async def ready(context: Ctx) -> Health:
    """Whether it can do its work: database and bus answer, and the database is up to date."""
    lacking = None
    if not context.ready:
        lacking = "The database is being brought up to date."
    elif not context.bus.nc.is_connected:
        lacking = "The bus does not answer."
    else:
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.to_thread(_asked, context)
        except (Unavailable, TimeoutError):
            lacking = "The database does not answer."
    if lacking is not None:
        raise Failed(503, lacking, headers={"Retry-After": "5"})
    return Health()


@router.get("/metrics", response_class=Response, responses=documented() | {200: {"content": {"text/plain": {}}}})
async def measures(context: Ctx, who: Viewer) -> Response:
    """For Prometheus."""
    counts = await asyncio.to_thread(_statuses, context)
    context.measures.jobs.clear()
    context.measures.waiting.set(await asyncio.to_thread(context.deliveries.waiting))
    for status, count in counts.items():
        context.measures.jobs.labels(status).set(count)
    try:
        info = await context.bus.js.consumer_info(topology.EVENTS, topology.API_EVENTS.durable)
        context.measures.pending.set((info.num_pending or 0) + (info.num_ack_pending or 0))
        context.measures.agents.set(len(await context.bus.agents.values(AgentInfo)))
    except (NatsError, TimeoutError, OSError, Unavailable):
        pass  # what is known without the bus is said all the same
    return Response(context.measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _asked(context: Context) -> None:
    with context.database.reading() as session:
        session.execute(text("SELECT 1"))


def _statuses(context: Context) -> dict[str, int]:
    with context.database.reading() as session:
        return queries.statuses(session)
