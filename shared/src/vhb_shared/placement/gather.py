"""Gathers what `placement.explaining` reads: agents, demand, what a job's services said last."""

import json
import time

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.live import Notice
from vhb_shared.contracts.state import AgentInfo, BackendDemand
from vhb_shared.placement.explaining import Facts

FRESH_S = 20.0
"""A warning is repeated at least every ten seconds while it holds."""


async def gather_facts(bus: Bus, job_id: str) -> Facts:
    """The facts about a job's runs, but for how fast they are just now."""
    return Facts(
        now=time.time(),
        agents=await bus.agents.values(AgentInfo),
        demands={demand.backend_id: demand for demand in await bus.backends.values(BackendDemand)},
        paused=await _paused(bus, job_id),
    )


async def _paused(bus: Bus, job_id: str) -> str | None:
    """The job's last notice, where it is a fresh warning."""
    subject = subjects.live(job_id, Notice.what)
    try:
        message = await bus.js.get_last_msg(topology.LIVE, subject)
        notice = Notice.model_validate_json(message.data or b"")
    except (NotFoundError, ValidationError, json.JSONDecodeError, TimeoutError, NatsError):
        return None
    age = time.time() - message.time.timestamp() if message.time is not None else FRESH_S
    paused = notice.level != "info" and notice.message.startswith("paused:")  # others are about a backend, and known
    return f"{notice.source} {notice.message}" if paused and age < FRESH_S else None
