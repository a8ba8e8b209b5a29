"""A backend of ours (a process in an environment of its own) killed in the middle."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from harness import Stack, cmdline, wait_until, write_documents

from vhb.connect import connected, settings

SAMPLES = 48


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found |= {int(child)} | _descendants(int(child))
    return found


def _processes(stack: Stack, kind: str) -> list[int]:
    """Process ids of the stack's echo backend: the program itself, or the warden that watches over it."""
    below = set().union(*(_descendants(pid) for pid in stack.pids("agent")))
    wanted = "warden.py" if kind == "warden" else "vhb_api_wrapper"
    return [pid for pid in below if wanted in cmdline(pid)]


def _asking(stack: Stack, job_id: str) -> bool:
    """Whether the job's run is being asked now. Not by a command: on a busy machine that takes longer than the job."""

    async def find() -> bool:
        async with connected(settings(None, stack.workdir)) as connection:
            runs = await connection.states.runs(await connection.states.job(job_id))
            return bool(runs) and runs[0].stage == "inference" and runs[0].started

    return asyncio.run(find())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["program", "warden"])
def test_a_killed_backend_comes_back(kind: str, stack: Stack, tmp_path: Path) -> None:
    write_documents(tmp_path / "documents", SAMPLES)
    job = tmp_path / "job.json"
    job.write_text(
        json.dumps(
            {
                "name": "echo",
                "reuse": False,
                "models": [
                    {
                        "name": "slow-echo",
                        "backend": "ocr",
                        "model": "echo",
                        "engine_args": {"delay_ms": 700},
                        "concurrency": 4,
                    }
                ],
                "tasks": [{"name": "read", "dataset": str(tmp_path / "documents"), "metrics": ["cer"]}],
            }
        )
    )
    first = stack.submit(job)
    reference = stack.finished(first, tmp_path / "reference")
    assert not _asking(stack, first)
    job_id = stack.submit(job)
    wait_until(lambda: _asking(stack, job_id), 30, "inference")
    wait_until(lambda: bool(_processes(stack, "program")), 30, "the backend runs")
    killed = _processes(stack, kind)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    results = stack.finished(job_id, tmp_path / "out")
    assert results == reference
    assert len(results.answers) == SAMPLES
    assert {outcome for _, _, outcome in results.answers} == {"answered"}
    assert killed
    assert len(_processes(stack, "program")) <= 1, "the one that was killed left nothing behind"
