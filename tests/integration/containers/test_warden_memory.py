"""The process environment's warden sees that the kernel ended its program for want of memory: tried in a container
with a bound, where the kernel does it for real."""

import asyncio
import json
from pathlib import Path

import pytest
from container_kit import program, said

from vhb_shared.contracts.job import Mount
from vhb_shared.environments import warden
from vhb_shared.environments.docker.environment import DockerEnvironment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AGENT = """
import json, os, pathlib, subprocess, sys
run = pathlib.Path("/tmp/run")
run.mkdir()
plan = {"command": ["python3", "-c", sys.argv[1]], "cwd": "/tmp", "agent_pid": os.getpid(), "log_bytes": 65536}
(run / "plan.json").write_text(json.dumps({**plan, "grace_s": 1}))
subprocess.run(["python3", "-I", "-S", "/code/warden.py", str(run)], stdin=os.pipe()[0])
print((run / "exit.json").read_text())
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = bytearray(300 << 20)", {"code": None, "signal": 9, "out_of_memory": True}),
        ("import os; os.kill(os.getpid(), 9)", {"code": None, "signal": 9, "out_of_memory": False}),
    ],
)
async def test_the_kernels_hand_is_told_from_others(
    environment: DockerEnvironment, tmp_path: Path, code: str, expected: dict[str, object]
) -> None:
    (folder := tmp_path / "code").mkdir()
    source = await asyncio.to_thread(Path(warden.__file__).read_text)
    (folder / "warden.py").write_text(source)
    spec = program("", memory_bytes=96 << 20, mounts=(Mount(source=str(folder), target="/code"),))
    spec = spec.model_copy(update={"command": ("{python}", "-c", AGENT, code)})
    assert json.loads((await said(environment, spec))[-1]) == expected
