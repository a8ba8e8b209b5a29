"""An agent that does not come back: another one of the same host goes on where it was."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from harness import CONCURRENCY, Results, Stack, asked, running, wait_until

from vhb.connect import connected, settings
from vhb_shared.contracts.state import AgentInfo, Claim
from vhb_shared.testing.endpoint_process import EndpointProcess

MOST_EXTRA = CONCURRENCY + 8
GOES_ON_WITHIN_S = 20


def agents(stack: Stack) -> dict[str, int]:
    """Agent -> process id. Asked before the job starts: the first connection of a process takes its time."""

    async def find() -> dict[str, int]:
        async with connected(settings(None, stack.workdir)) as connection:
            return {found.agent_id: found.pid for found in await connection.bus.agents.values(AgentInfo)}

    return asyncio.run(find())


def holder(stack: Stack) -> str:
    """The agent that holds the claim."""

    async def find() -> str:
        async with connected(settings(None, stack.workdir)) as connection:
            (claim,) = await connection.bus.claims.values(Claim)
            return claim.agent_id

    return asyncio.run(find())


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_other_agent_takes_over(
    how: signal.Signals, endpoint: EndpointProcess, job: Path, undisturbed: Results, tmp_path: Path
) -> None:
    with running(tmp_path / "work", "--agents=2") as stack:
        wait_until(lambda: len(agents(stack)) == 2, 30, "two agents")
        pids, supervisor = agents(stack), stack.pid
        before = asked(endpoint)
        job_id = stack.submit(job)
        wait_until(lambda: asked(endpoint) > before, 60, "a request")
        victim = pids[holder(stack)]
        wait_until(lambda: asked(endpoint) - before >= 100, 60, "100 requests")
        os.kill(supervisor, signal.SIGSTOP)  # nobody starts it anew
        try:
            os.kill(victim, how)
            time.sleep(1)  # what was in flight has been counted
            at_kill = asked(endpoint)
            paused = 1 + wait_until(lambda: asked(endpoint) > at_kill, GOES_ON_WITHIN_S, "work goes on")
            results = stack.finished(job_id, tmp_path / "out")
        finally:
            if how is signal.SIGSTOP:  # the killed one is gone for good: nobody but its (stopped) parent keeps its pid
                os.kill(victim, signal.SIGCONT)
            os.kill(supervisor, signal.SIGCONT)
        extra = asked(endpoint) - before - len(undisturbed.answers)
        print(f"\none of two agents {how.name}: {extra} requests more, the other went on after {paused:.1f} s")
    assert results == undisturbed
    assert extra <= MOST_EXTRA
