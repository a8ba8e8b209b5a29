"""kill -9 of any one process of a running stack: the same results, and only what was in flight is asked again."""

from pathlib import Path

import pytest
from harness import CONCURRENCY, SAMPLES, Results, Stack, asked, wait_until

from vhb_shared.testing.endpoint_process import EndpointProcess

MOST_EXTRA = CONCURRENCY + 8
GOES_ON_WITHIN_S = 20

QUICK = [("agent", 100), ("nats-server", 100)]
SLOW = [
    ("agent", 10),
    ("nats-server", 10),
    ("scheduler", 140),
    ("scheduler", SAMPLES),
    ("evaluator", SAMPLES),
    ("reporter", SAMPLES),
]


@pytest.mark.parametrize(
    ("service", "after"),
    [pytest.param(*case) for case in QUICK] + [pytest.param(*case, marks=pytest.mark.slow) for case in SLOW],
)
def test_killed(
    service: str,
    after: int,
    stack: Stack,
    endpoint: EndpointProcess,
    job: Path,
    undisturbed: Results,
    tmp_path: Path,
) -> None:
    before = asked(endpoint)
    job_id = stack.submit(job)
    wait_until(lambda: asked(endpoint) - before >= after, 60, f"{after} requests")
    stack.kill_service(service)
    at_kill = asked(endpoint)
    paused = 0.0
    if service == "agent":
        paused = wait_until(lambda: asked(endpoint) > at_kill, GOES_ON_WITHIN_S, "work goes on")
    results = stack.finished(job_id, tmp_path / "out")
    extra = asked(endpoint) - before - SAMPLES
    print(f"\n{service} killed after {after}: {extra} requests more, went on after {paused:.1f} s")
    assert results == undisturbed
    assert extra <= (MOST_EXTRA if service == "agent" else 0)
