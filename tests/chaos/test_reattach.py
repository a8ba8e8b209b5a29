"""An agent killed while its backend runs in a place that outlives it, as a container does: its next life goes on."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Stack, alive, running, wait_until, write_documents

from vhb_shared.testing.plugins import write_package

PLUGINS = Path(__file__).parents[1] / "plugins"
SAMPLES = 160
CONCURRENCY = 8
MOST_EXTRA = CONCURRENCY + 8


class Place:
    """The folder where detached programs are, from outside."""

    def __init__(self, tmp_path: Path) -> None:
        self.environments = tmp_path / "environments"
        self.requests = tmp_path / "requests.jsonl"
        site = tmp_path / "site"
        site.mkdir()
        shutil.copy(PLUGINS / "detached_environment.py", site)
        points = {
            "vhb.environments": {"detached": "detached_environment:DetachedEnvironment"},
            "vhb.backends": {"detached": "detached_environment:DetachedBackend"},
        }
        write_package(site, "detached-environment", points)
        self.env = {
            "PYTHONPATH": str(site),
            "VHB_AGENT_ENVIRONMENTS": str(self.environments),
            "VHB_AGENT_DEVICES": "2x24",
            "VHB_AGENT_IDLE_S": "600",
        }

    def programs(self) -> dict[str, int]:
        """Handle id -> process id of the server."""
        found = {}
        for path in (self.environments / "detached").glob("*/pid"):
            if alive(int(path.read_text() or 0)):
                found[path.parent.name] = int(path.read_text())
        return found

    def devices(self) -> list[list[str]]:
        """Of each program."""
        folder = self.environments / "detached"
        return [json.loads((folder / handle / "spec.json").read_text())["devices"] for handle in self.programs()]

    def asked(self) -> int:
        """Requests so far."""
        return len(self.requests.read_text().splitlines()) if self.requests.exists() else 0

    def job(self, tmp_path: Path, delay_ms: int = 800) -> Path:
        """A job for it."""
        write_documents(tmp_path / "documents", SAMPLES)
        model = {
            "name": "survivor",
            "backend": "detached",
            "engine_args": {"delay-ms": delay_ms, "log": str(self.requests)},
            "concurrency": CONCURRENCY,
            "resources": {"gpus": 1, "gpu_memory_gib": 24},
        }
        task = {"name": "read", "dataset": str(tmp_path / "documents"), "metrics": ["cer"]}
        job = {"name": "reattach", "models": [model], "tasks": [task], "shard_size": 16}
        (tmp_path / "job.json").write_text(json.dumps(job))
        return tmp_path / "job.json"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    left = made.programs()
    for pid in left.values():
        os.kill(pid, signal.SIGKILL)
    assert not left, "an agent that ends in good order leaves nothing running"


def sessions(stack: Stack) -> list[tuple[str, str, list[str]]]:
    """(agent, state, devices) of every session."""
    listed = json.loads(stack.vhb("agents", "--json").stdout)
    return [(agent["agent_id"], one["state"], one["devices"]) for agent in listed for one in agent["sessions"]]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_its_next_life_goes_on_with_what_runs(place: Place, tmp_path: Path) -> None:
    job = place.job(tmp_path)
    with running(tmp_path / "work", env=place.env) as stack:
        job_id = stack.submit(job)
        wait_until(lambda: place.asked() >= 2 * CONCURRENCY, 60, "first requests")
        before = place.programs()
        assert len(before) == 1
        assert place.devices() == [["0"]]
        stack.kill_service("agent")
        at_kill = place.asked()
        assert place.programs() == before, "it outlives its agent"
        wait_until(lambda: place.asked() > at_kill + CONCURRENCY, 60, "work goes on")
        assert place.programs() == before, "the same program answers"
        # Everything at once, and all of it started again.
        stack.kill()
        assert place.programs() == before
        stack.start()
        results = stack.finished(job_id, tmp_path / "out")
        assert place.programs() == before
        assert [(agent, devices) for agent, _, devices in sessions(stack)] == [("agent-0", ["0"])], "leased as before"
        assert len(results.answers) == SAMPLES
        assert {outcome for _, _, outcome in results.answers} == {"answered"}
        extra = place.asked() - SAMPLES
        print(f"\nagent killed, then everything: {extra} requests more")
        assert extra <= 2 * MOST_EXTRA


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_another_agent_took_over_is_ended(place: Place, tmp_path: Path) -> None:
    job = place.job(tmp_path, 1500)
    with running(tmp_path / "work", "--agents=2", env=place.env) as stack:
        job_id = stack.submit(job)
        wait_until(lambda: place.asked() >= CONCURRENCY, 60, "first requests")
        before = place.programs()
        ((owner, _, _),) = sessions(stack)
        os.kill(stack.pid, signal.SIGSTOP)  # nobody starts it anew
        try:
            listed = json.loads(stack.vhb("agents", "--json").stdout)
            (victim,) = (agent["pid"] for agent in listed if agent["agent_id"] == owner)
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(place.programs()) == 2, 60, "the other agent starts its own")
        finally:
            os.kill(stack.pid, signal.SIGCONT)
        wait_until(lambda: not before.keys() & place.programs().keys(), 60, "the former life's one is ended")
        results = stack.finished(job_id, tmp_path / "out")
        assert len(results.answers) == SAMPLES
        assert [agent for agent, _, _ in sessions(stack)] != [owner]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_cancelling_ends_it_within_seconds(place: Place, tmp_path: Path) -> None:
    job = place.job(tmp_path, 1500)
    with running(tmp_path / "work", env=place.env) as stack:
        job_id = stack.submit(job)
        wait_until(lambda: place.asked() >= CONCURRENCY, 60, "first requests")
        assert place.programs()
        stack.vhb("cancel", job_id)
        took = wait_until(lambda: not place.programs(), 30, "the program is gone")
        print(f"\ncancelled: its program was gone {took:.1f} s after the command")
        assert sessions(stack) == []
