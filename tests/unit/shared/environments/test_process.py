"""What only the process environment promises: nothing outlives its agent, nothing is left behind, logs are bounded."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vhb_shared.environments.base import EnvironmentHandle, EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.process import ProcessEnvironment
from vhb_shared.environments.warden import BoundedLog, start_time

# Leads a family: a child in its group, and a daemon that left the group.
FAMILY = """
import os, pathlib, subprocess, sys, time
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleeper)
daemon = subprocess.Popen(["/bin/sh", "-c", "setsid sleep 600 & echo $!"], stdout=subprocess.PIPE, text=True)
pids = [os.getpid(), child.pid, int(daemon.stdout.readline())]
daemon.wait()
time.sleep(0.2)
print("family", *pids)
time.sleep(600)
"""

AGENT = """
import asyncio, pathlib, sys
from vhb_shared.environments.base import EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.process import ProcessEnvironment

async def main():
    environment = ProcessEnvironment(EnvironmentSettings(directory=pathlib.Path(sys.argv[1]), agent_id="doomed"))
    spec = EnvironmentSpec(name="family", command=("{python}", "-c", sys.argv[2]))
    await environment.prepare(spec, lambda _: None)
    handle = await environment.start(spec)
    while not (lines := [line for line in await environment.logs(handle) if line.startswith("family")]):
        await asyncio.sleep(0.05)
    print(handle.id, lines[0], flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@pytest.fixture
def environment(directory: Path) -> ProcessEnvironment:
    settings = EnvironmentSettings(directory=directory, agent_id="agent-1", log_bytes=1 << 16)
    return ProcessEnvironment(settings)


def lives(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text[text.rindex(")") + 2] != "Z"


def exists(pid: int) -> bool:
    """Also as a zombie."""
    return Path(f"/proc/{pid}").exists()


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.02)


async def family_of(environment: ProcessEnvironment) -> tuple[EnvironmentHandle, list[int]]:
    spec = EnvironmentSpec(name="family", command=("{python}", "-c", FAMILY))
    await environment.prepare(spec, lambda _: None)
    handle = await environment.start(spec)
    for _ in range(200):
        for line in await environment.logs(handle):
            if line.startswith("family"):
                return handle, [int(word) for word in line.split()[1:]]
        await asyncio.sleep(0.05)
    raise AssertionError("the family did not start")


def children_of(pid: int) -> list[int]:
    return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]


def variables_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_stopping_ends_the_whole_family_and_leaves_no_zombie(
    environment: ProcessEnvironment, directory: Path
) -> None:
    before = set(children_of(os.getpid()))
    handle, pids = await family_of(environment)
    assert all(lives(pid) for pid in pids)
    started = time.monotonic()
    await environment.stop(handle)
    assert time.monotonic() - started < 15
    await until(lambda: not any(exists(pid) for pid in pids))
    await until(lambda: set(children_of(os.getpid())) <= before)
    assert not (directory / "run" / handle.id).exists()


async def test_killing_the_program_ends_what_it_had_started(environment: ProcessEnvironment) -> None:
    handle, pids = await family_of(environment)
    os.kill(pids[0], signal.SIGKILL)
    ended = await asyncio.wait_for(environment.wait_exit(handle), 20)
    assert ended.signal == signal.SIGKILL
    await until(lambda: not any(lives(pid) for pid in pids))
    await environment.stop(handle)


async def test_killing_the_warden_ends_the_program(environment: ProcessEnvironment) -> None:
    before = set(children_of(os.getpid()))
    handle, pids = await family_of(environment)
    (warden,) = set(children_of(os.getpid())) - before
    os.kill(warden, signal.SIGKILL)
    ended = await asyncio.wait_for(environment.wait_exit(handle), 20)
    assert ended.signal == signal.SIGKILL
    await until(lambda: not lives(pids[0]) and not lives(pids[1]))
    os.kill(pids[2], signal.SIGKILL)  # What left the group is out of reach without the warden.
    await environment.stop(handle)


async def test_a_warden_that_hangs_does_not_keep_the_program_alive(environment: ProcessEnvironment) -> None:
    before = set(children_of(os.getpid()))
    handle, pids = await family_of(environment)
    (warden,) = set(children_of(os.getpid())) - before
    os.kill(warden, signal.SIGSTOP)
    started = time.monotonic()
    await environment.stop(handle, grace_s=0.2)
    assert time.monotonic() - started < 15
    await until(lambda: not exists(warden) and not lives(pids[0]) and not lives(pids[1]))
    os.kill(pids[2], signal.SIGKILL)


async def test_killing_the_agent_ends_everything_it_had_started(directory: Path) -> None:
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AGENT, str(directory), FAMILY, stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout is not None
    run_id, *words = (await agent.stdout.readline()).decode().split()
    pids = [int(word) for word in words[1:]]
    assert all(lives(pid) for pid in pids)
    agent.kill()
    await agent.wait()
    await until(lambda: not any(lives(pid) for pid in pids))
    # What it left on disk goes when the next agent looks.
    successor = ProcessEnvironment(EnvironmentSettings(directory=directory, agent_id="successor"))
    assert run_id in await successor.reap({"agent": "doomed"})
    assert not (directory / "run" / run_id).exists()


def write_run(directory: Path, name: str, agent_pid: int, agent_started: str | None, child: int) -> None:
    run = directory / "run" / name
    run.mkdir(parents=True)
    handle = EnvironmentHandle(
        environment="process", id=name, labels={"agent": name}, started_at="2026-01-01T00:00:00Z"
    )
    (run / "handle.json").write_text(handle.model_dump_json())
    (run / "plan.json").write_text(json.dumps({"agent_pid": agent_pid, "agent_started": agent_started}))
    (run / "child.json").write_text(json.dumps({"pid": child, "started": start_time(child)}))


async def test_reaping_ends_the_orphans_of_dead_agents_only(tmp_path: Path) -> None:
    sleepers = [await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True) for _ in range(3)]
    dead, living, reused = (sleeper.pid for sleeper in sleepers)
    parent = os.getppid()
    write_run(tmp_path, "dead", 2**22 + 1, "1", dead)
    write_run(tmp_path, "living", parent, start_time(parent), living)
    # The same number as before, another process: its child's number was given to a stranger too.
    write_run(tmp_path, "reused", parent, "1", reused)
    (tmp_path / "run" / "reused" / "child.json").write_text(json.dumps({"pid": reused, "started": "1"}))
    environment = ProcessEnvironment(EnvironmentSettings(directory=tmp_path, agent_id="new"))
    try:
        assert await environment.reap({"agent": "nobody"}) == ()
        assert await environment.reap({}) == ("dead", "reused")
        assert await asyncio.wait_for(sleepers[0].wait(), 2) == -signal.SIGKILL
        assert lives(living)
        assert lives(reused)
    finally:
        for sleeper in sleepers:
            with contextlib.suppress(ProcessLookupError):
                sleeper.kill()
            await sleeper.wait()


@pytest.mark.parametrize("piece", [1, 100, 32 << 10, 64 << 10, 1 << 20])
def test_a_log_is_bounded_whatever_comes_at_once(tmp_path: Path, piece: int) -> None:
    log = BoundedLog(tmp_path / "backend.log", 1 << 16)
    lines = b"".join(b"line %d\n" % number for number in range(30_000))
    for at in range(0, len(lines), piece):
        log.write(lines[at : at + piece])
    older, newer = ((tmp_path / name).read_bytes() for name in ("backend.log.1", "backend.log"))
    assert lines.endswith(older + newer)
    assert (1 << 15) - 100 < len(older + newer) <= 1 << 16
    log.write(b"x" * (1 << 17))
    assert (tmp_path / "backend.log.1").stat().st_size + (tmp_path / "backend.log").stat().st_size <= 1 << 16


async def test_the_log_is_bounded_and_keeps_the_end(environment: ProcessEnvironment, directory: Path) -> None:
    code = "for n in range(30000): print('line', n)"
    spec = EnvironmentSpec(name="chatty", command=("{python}", "-c", code))
    await environment.prepare(spec, lambda _: None)
    handle = await environment.start(spec)
    await environment.wait_exit(handle)
    logs = list((directory / "run" / handle.id).glob("backend.log*"))
    assert len(logs) == 2
    assert sum(log.stat().st_size for log in logs) <= 1 << 16
    assert await environment.logs(handle, 3) == ("line 29997", "line 29998", "line 29999")
    assert len(await environment.logs(handle, 2000)) == 2000
    await environment.stop(handle)


async def test_the_agents_secrets_are_in_no_process_it_starts(
    environment: ProcessEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VHB_NATS_CREDS", "hush-hush")
    before = set(children_of(os.getpid()))
    handle, pids = await family_of(environment)
    (warden,) = set(children_of(os.getpid())) - before
    for pid in (warden, *pids):
        variables = variables_of(pid)
        assert b"PATH=" in variables
        assert b"hush-hush" not in variables
    await environment.stop(handle)


async def test_cancelling_a_start_leaves_nothing_running(environment: ProcessEnvironment) -> None:
    before = set(children_of(os.getpid()))
    spec = EnvironmentSpec(name="sleeper", command=("{python}", "-c", "import time; time.sleep(600)"))
    await environment.prepare(spec, lambda _: None)
    for patience in (0.0, 0.002, 0.005, 0.01):
        starting = asyncio.create_task(environment.start(spec))
        await asyncio.sleep(patience)
        if not starting.done():
            starting.cancel()
        try:
            await environment.stop(await starting)
        except asyncio.CancelledError:
            continue
    await until(lambda: not [pid for pid in set(children_of(os.getpid())) - before if lives(pid)])


async def test_a_group_that_uses_more_memory_than_it_may_is_ended_as_out_of_memory(
    environment: ProcessEnvironment,
) -> None:
    child = "x = bytearray(200 << 20); import time; time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    spec = EnvironmentSpec(name="eater", command=("{python}", "-c", code), memory_bytes=100 << 20)
    await environment.prepare(spec, lambda _: None)
    handle = await environment.start(spec)
    ended = await asyncio.wait_for(environment.wait_exit(handle), 30)
    await environment.stop(handle)
    assert ended.out_of_memory
    assert ended.words == "ran out of memory"


async def test_what_stays_below_its_bounds_is_left_alone(environment: ProcessEnvironment) -> None:
    code = (
        "import os, sys, time; x = bytearray(50 << 20); print(len(os.sched_getaffinity(0)), flush=True)\n"
        "time.sleep(1.5); sys.exit(3)"
    )
    spec = EnvironmentSpec(name="modest", command=("{python}", "-c", code), memory_bytes=300 << 20, cpus=0.5)
    await environment.prepare(spec, lambda _: None)
    handle = await environment.start(spec)
    ended = await asyncio.wait_for(environment.wait_exit(handle), 30)
    lines = await environment.logs(handle)
    await environment.stop(handle)
    assert (ended.code, ended.out_of_memory) == (3, False)
    assert lines == ("1",)
