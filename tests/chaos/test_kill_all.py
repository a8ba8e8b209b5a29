"""The whole stack killed at once, and `vhb run` killed or interrupted and run again."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from harness import CONCURRENCY, SAMPLES, VHB, Results, Stack, alive, asked, read_results, wait_until

from vhb_shared.testing.endpoint_process import EndpointProcess

MOST_EXTRA = CONCURRENCY + 8


@pytest.mark.slow
@pytest.mark.parametrize("after", [100])
def test_the_supervisor_is_killed_and_started_anew(
    after: int, endpoint: EndpointProcess, job: Path, undisturbed: Results, tmp_path: Path
) -> None:
    stack = Stack(tmp_path / "work")
    stack.start()
    try:
        before = asked(endpoint)
        job_id = stack.submit(job)
        wait_until(lambda: asked(endpoint) - before >= after, 60, f"{after} requests")
        stack.kill()
        at_kill = asked(endpoint)
        stack.start()
        results = stack.finished(job_id, tmp_path / "out")
    finally:
        stack.stop()
    extra = asked(endpoint) - before - SAMPLES
    print(f"\nvhb up killed after {at_kill - before}: {extra} requests more")
    assert results == undisturbed
    assert extra <= MOST_EXTRA


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_vhb_run_goes_on_when_run_again(
    how: signal.Signals, code: int, endpoint: EndpointProcess, job: Path, undisturbed: Results, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [*VHB, "run", str(job), "--out", str(out), "--workdir", str(tmp_path / "work")]
    before = asked(endpoint)
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: asked(endpoint) - before >= 100, 60, "100 requests")
    children = [
        int(pid) for path in Path(f"/proc/{first.pid}/task").glob("*/children") for pid in path.read_text().split()
    ]
    first.send_signal(how)
    _, said = first.communicate(timeout=30)
    assert first.returncode == code
    if how == signal.SIGINT:
        assert "run the same command again to go on" in said
    wait_until(lambda: not any(alive(pid) for pid in children), 10, "nothing is left behind")
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    extra = asked(endpoint) - before - SAMPLES
    print(f"\nvhb run ended by {how.name}, run again: {extra} requests more")
    assert read_results(out) == undisturbed
    assert extra <= MOST_EXTRA
    # Done is done: once more asks nothing.
    again = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert again.returncode == 0, again.stderr
    assert asked(endpoint) - before - SAMPLES == extra


@pytest.mark.slow
def test_two_of_each_do_no_harm(endpoint: EndpointProcess, job: Path, undisturbed: Results, tmp_path: Path) -> None:
    """Two of every service; the agent that works is frozen, which to the others is the loss of its host."""
    flags = ("--schedulers", "2", "--agents", "2", "--evaluators", "2", "--reporters", "2")
    stack = Stack(tmp_path / "work", *flags)
    stack.start()
    try:
        before = asked(endpoint)
        assert stack.finished(stack.submit(job), tmp_path / "first") == undisturbed
        assert asked(endpoint) - before == SAMPLES
        before = asked(endpoint)
        job_id = stack.submit(job)
        wait_until(lambda: asked(endpoint) - before >= 100, 60, "100 requests")
        backends = {pid: _connections(pid, endpoint.port) for pid in stack.pids("agent")}
        working = max(backends, key=lambda pid: backends[pid])
        os.kill(working, signal.SIGSTOP)  # it neither works nor dies: only its claim and its silence tell
        at_stop = asked(endpoint)
        paused = wait_until(lambda: asked(endpoint) > at_stop + CONCURRENCY, 20 + 5, "the other agent goes on")
        results = stack.finished(job_id, tmp_path / "second")
        # Counted before it wakes: for a second it then goes on with what it had in hand, until it hears of the end.
        extra = asked(endpoint) - before - SAMPLES
        os.kill(working, signal.SIGCONT)
    finally:
        stack.stop()
    print(f"\nworking agent frozen: {extra} requests more, the other went on within {paused:.1f} s")
    assert results == undisturbed
    assert extra <= MOST_EXTRA


def _connections(pid: int, port: int) -> int:
    """How many connections a process has to a port of this machine."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    remote = f"0100007F:{port:04X}"
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for line in lines if line[2] == remote and line[9] in sockets)
