"""Gathers what `vhb explain` says: the facts, and how fast samples are answered just now."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from vhb.connect import Connection
from vhb.watching import JobView, watch_job
from vhb_shared.contracts.state import RunState
from vhb_shared.placement.explaining import Facts
from vhb_shared.placement.gather import gather_facts

WATCHED_S = 2.5


async def gather(connection: Connection, job_id: str, runs: Sequence[RunState], *, watched: bool = False) -> Facts:
    """The facts about a job's runs.

    Args:
        connection: to the bus.
        job_id: whose.
        runs: its runs.
        watched: whether to look on for a moment to see how fast samples are answered.
    """
    facts = await gather_facts(connection.bus, job_id)
    held = {session.backend_id for agent in facts.agents for session in agent.sessions if session.state == "serving"}
    if not watched or not any(run.stage == "inference" and run.backend_id in held for run in runs):
        return facts
    rates, done = await _rates(connection, job_id)
    return replace(facts, now=time.time(), rates=rates, done=done)


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
