"""The health check tells a stuck service from one that works."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from vhb_shared import health


def test_a_fresh_file_is_well_an_old_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "health"
    now = time.monotonic()
    assert "not started" in str(health.trouble(path, now))
    health.write(path, connected=True)
    assert health.trouble(path, time.monotonic()) is None
    assert "stuck" in str(health.trouble(path, now + health.OLD_S + 5))
    assert "stuck" in str(health.trouble(path, now - 1000)), "written before the machine started anew"
    health.write(path, connected=False)
    assert "lost" in str(health.trouble(path, time.monotonic()))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"at": "x"}', "null"])
def test_a_damaged_file_is_trouble(tmp_path: Path, content: str) -> None:
    (tmp_path / "health").write_text(content)
    assert health.trouble(tmp_path / "health", 0) is not None


def test_the_command_says_why(tmp_path: Path) -> None:
    def ask() -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "vhb_shared.health"]
        env = {health.VARIABLE: str(tmp_path / "health")}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)

    assert ask().returncode == 1 and "not started" in ask().stderr
    health.write(tmp_path / "health", connected=True)
    assert ask().returncode == 0
