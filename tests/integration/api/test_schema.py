"""The interface does what its OpenAPI document says, whatever it is asked."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from interface import interface
from story import Story


@pytest.mark.timeout(300)
async def test_every_answer_is_as_documented(told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vhb_api.rest.context.GUESSES_PER_MINUTE", 1_000_000)
    await told.complete("done")
    async with interface(told, tmp_path, monkeypatch, REQUESTS_PER_MINUTE="1000000", SOURCES="none") as api:
        await api.until("done", "completed")
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{api.address}/api/v1/openapi.json",
            # It never ends.
            "--exclude-path", "/api/v1/stream",
            "--header", f"Authorization: Bearer {api.admin}",
            "--max-examples", "12", "--seed", "1", "--phases", "examples,fuzzing", "--workers", "2",
            # A job file means more than its form; and each method of a path is a route that knows no other.
            "--exclude-checks", "positive_data_acceptance,unsupported_method,allow_header_conformance",
            "--no-color", "--request-timeout", "20",
        ]  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
