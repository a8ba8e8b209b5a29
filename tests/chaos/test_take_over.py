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


def serving_agent(stack: Stack) -> int:
    """Process id of the agent that holds the claim."""

    async def find() -> int:
        async with connected(settings(None, stack.workdir)) as connection:
            (claim,) = await connection.bus.claims.values(Claim)
            found = await connection.bus.agents.get(claim.agent_id, AgentInfo)
            assert found is not None
            return found[0].pid

    return asyncio.run(find())


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_other_agent_takes_over(
    how: signal.Signals, endpoint: EndpointProcess, job: Path, undisturbed: Results, tmp_path: Path
) -> None:
    with running(tmp_path / "work", "--agents=2") as stack:
        before = asked(endpoint)
        job_id = stack.submit(job)
        wait_until(lambda: asked(endpoint) - before >= 100, 60, "100 requests")
        victim, supervisor = serving_agent(stack), stack.pid
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
