"""Gathers what `vhb.explaining` reads: agents, demand, what a job's services said last."""

import asyncio
import json
import time
from collections.abc import Sequence

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from vhb.connect import Connection
from vhb.explaining import Facts
from vhb.watching import JobView, watch_job
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.live import Notice
from vhb_shared.contracts.state import AgentInfo, BackendDemand, RunState

FRESH_S = 20.0
"""A warning is repeated at least every ten seconds while it holds."""
WATCHED_S = 2.5


async def gather(connection: Connection, job_id: str, runs: Sequence[RunState], *, watched: bool = False) -> Facts:
    """The facts about a job's runs.

    Args:
        connection: to the bus.
        job_id: whose.
        runs: its runs.
        watched: whether to look on for a moment to see how fast samples are answered.
    """
    agents = await connection.bus.agents.values(AgentInfo)
    demands = {demand.backend_id: demand for demand in await connection.bus.backends.values(BackendDemand)}
    rates: dict[str, float] = {}
    done: dict[str, int] = {}
    held = {session.backend_id for agent in agents for session in agent.sessions if session.state == "serving"}
    if watched and any(run.stage == "inference" and run.backend_id in held for run in runs):
        rates, done = await _rates(connection, job_id)
    return Facts(
        now=time.time(),
        agents=agents,
        demands=demands,
        paused=await _paused(connection, job_id),
        rates=rates,
        done=done,
    )


async def _rates(connection: Connection, job_id: str) -> tuple[dict[str, float], dict[str, int]]:
    """Samples per second and samples so far, by run."""
    first: dict[str, tuple[float, int]] = {}
    last: dict[str, tuple[float, int]] = {}

    def note(view: JobView) -> None:
        now = time.monotonic()
        for run in view.runs:
            # A shard in flight is heard of a moment after one begins to listen: before that its samples are unknown.
            known = any(run_id == run.run_id for run_id, _ in view.partial) or run.stage != "inference"
            if known:
                last[run.run_id] = (now, view.counts(run).total)
                first.setdefault(run.run_id, last[run.run_id])

    views = watch_job(connection, job_id, wait_for_it=False)
    try:
        async with asyncio.timeout(WATCHED_S):
            async for view in views:
                note(view)
    except TimeoutError:
        pass
    finally:
        await views.aclose()  # type: ignore[attr-defined]
    rates = {
        run_id: (last[run_id][1] - count) / (last[run_id][0] - at)
        for run_id, (at, count) in first.items()
        if last[run_id][0] - at > 1 and last[run_id][1] > count
    }
    return rates, {run_id: count for run_id, (_, count) in last.items()}


async def _paused(connection: Connection, job_id: str) -> str | None:
    """The job's last notice, where it is a fresh warning."""
    subject = subjects.live(job_id, Notice.what)
    try:
        message = await connection.bus.js.get_last_msg(topology.LIVE, subject)
        notice = Notice.model_validate_json(message.data or b"")
    except (NotFoundError, ValidationError, json.JSONDecodeError, TimeoutError, NatsError):
        return None
    age = time.time() - message.time.timestamp() if message.time is not None else FRESH_S
    paused = notice.level != "info" and notice.message.startswith("paused:")  # others are about a backend, and known
    return f"{notice.source} {notice.message}" if paused and age < FRESH_S else None
