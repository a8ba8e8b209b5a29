"""A backend of ours that hangs is noticed and started again; one that is only slow is left alone."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Stack, alive, cmdline, running, wait_until, write_documents

SAMPLES = 24
ENVIRON = {"VHB_AGENT_HANG_AFTER_S": "4", "VHB_AGENT_IDLE_S": "600"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("freeze") / "work", env=ENVIRON) as stack:
        yield stack


def _echo_job(folder: Path, name: str, samples: int, delay_ms: int) -> Path:
    write_documents(folder / "documents", samples)
    model = {"name": name, "backend": "ocr", "model": "echo", "engine_args": {"delay_ms": delay_ms}, "concurrency": 4}
    task = {"name": "read", "dataset": str(folder / "documents"), "metrics": ["cer"]}
    job = {"name": name, "models": [model], "tasks": [task], "shard_size": 12, "reuse": False}
    (folder / "job.json").write_text(json.dumps(job))
    return folder / "job.json"


def _programs(stack: Stack) -> list[int]:
    """The agent's backends, without those that watch over them."""
    found: list[int] = []
    below = stack.pids("agent")
    while below:
        children = [
            int(child)
            for pid in below
            for path in Path(f"/proc/{pid}/task").glob("*/children")
            for child in path.read_text().split()
        ]
        found += [pid for pid in children if "-m vhb_api_wrapper" in cmdline(pid)]
        below = children
    return found


def _performance(out: Path) -> dict[str, object]:
    (run,) = (out / "runs").iterdir()
    content: dict[str, object] = json.loads((run / "performance.json").read_text())
    return content


@pytest.mark.timeout(300)
def test_a_frozen_backend_is_started_again(watched: Stack, tmp_path: Path) -> None:
    job = _echo_job(tmp_path, "echo", SAMPLES, 500)
    reference = watched.finished(watched.submit(job), tmp_path / "reference")
    assert _performance(tmp_path / "reference")["restarts"] == 0

    # It stays warm for the next job, whose first requests then wait for a frozen backend.
    frozen = _programs(watched)
    assert frozen
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    job_id = watched.submit(job)
    wait_until(lambda: not any(alive(pid) for pid in frozen), 120, "the frozen one is noticed and ended")
    results = watched.finished(job_id, tmp_path / "out")
    assert results == reference
    assert {outcome for _, _, outcome in results.answers} == {"answered"}
    (run,) = (tmp_path / "out" / "runs").iterdir()
    attempts = [line.split(",") for line in (run / "answers.csv").read_text().splitlines()]
    column = attempts[0].index("attempts")
    assert {row[column] for row in attempts[1:]} == {"1"}, "what the hang broke off does not count"
    performance = _performance(tmp_path / "out")
    assert performance["restarts"] == 1
    assert performance["measured"] == SAMPLES


@pytest.mark.timeout(300)
def test_a_slow_backend_is_left_alone(watched: Stack, tmp_path: Path) -> None:
    job = _echo_job(tmp_path, "slow", 4, 15_000)  # nearly four times as long as an idle one may be silent
    results = watched.finished(watched.submit(job), tmp_path / "out")
    assert {outcome for _, _, outcome in results.answers} == {"answered"}
    performance = _performance(tmp_path / "out")
    assert performance["restarts"] == 0
    assert performance["latency_ms"]["p50"] > 15_000  # type: ignore[index]
    assert performance["memory_peak"] > 1 << 20  # type: ignore[operator]
    assert performance["cpu_s"] is not None
