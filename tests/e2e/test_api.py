"""`vhb up` with its REST interface, as a program uses it."""

import json
import os
import pty
import subprocess
import urllib.request
from pathlib import Path
from typing import IO, Any

from person import VHB, remote, typed, until, vhb, write_folder, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess


def ask(address: str, token: str, path: str, content: bytes | None = None, kind: str = "application/json") -> Any:
    request = urllib.request.Request(
        f"{address}{path}", data=content, headers={"Authorization": f"Bearer {token}", "Content-Type": kind}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        body = response.read()
        return json.loads(body) if "json" in response.headers["Content-Type"] else body


def listens_at(said: IO[str]) -> str:
    """Where the interface is; before that, a slow machine's stack says that it does not listen yet."""
    return next(line for line in said if line.startswith("REST interface: ")).split()[2]


def test_a_job_is_handed_in_and_fetched_without_the_command_line(tmp_path: Path, endpoint: EndpointProcess) -> None:
    write_folder(tmp_path / "data", 6)
    job = write_job(
        tmp_path / "job.yaml",
        [remote(endpoint.base_url)],
        [{"name": "read", "dataset": "data", "prompt": "Read.", "metrics": ["cer"]}],
    )
    with typed("up", cwd=tmp_path) as stack:
        assert stack.stdout is not None and stack.stderr is not None
        assert stack.stdout.readline().startswith("ready")
        address = listens_at(stack.stderr)
        token = stack.stderr.readline().rpartition(" ")[2].strip()
        assert token.startswith("vhb_")
        made = ask(address, token, "/jobs", job.read_bytes(), "application/yaml")
        job_id = made["job_id"]

        def status() -> str:
            found: str = ask(address, token, f"/jobs/{job_id}")["status"]
            return found

        until(lambda: status() not in ("running", "waiting"), 60)
        assert status() == "completed"
        (run,) = ask(address, token, f"/jobs/{job_id}/runs")["items"]
        assert run["counts"]["answered"] == 6 and [metric["metric"] for metric in run["metrics"]] == ["cer"]
        names = {entry["name"] for entry in ask(address, token, f"/jobs/{job_id}/artefacts")}
        assert {"report.html", "metrics.csv", "runs/remote__read/answers.csv"} <= names
        assert b"<html" in ask(address, token, f"/jobs/{job_id}/artefacts/report.html")
        assert vhb("status", job_id, cwd=tmp_path).returncode == 0
        made_later = vhb("api", "token", "create", "ci", "--role", "viewer", cwd=tmp_path).stdout.strip()
        assert ask(address, made_later, "/me") == {"name": "ci", "role": "viewer"}
        listed = vhb("api", "token", "list", cwd=tmp_path).stdout
        assert "ci" in listed and "first-admin" in listed and token not in listed
        assert "taken already" in vhb("api", "token", "create", "ci", cwd=tmp_path, code=2).stderr
    with typed("up", cwd=tmp_path) as stack:
        assert stack.stdout is not None and stack.stdout.readline().startswith("ready")
        assert stack.stderr is not None
        address = listens_at(stack.stderr)
        assert ask(address, token, f"/jobs/{job_id}")["status"] == "completed"
        stack.terminate()
        assert "administrator" not in stack.stderr.read(), "a token is shown once"


def test_at_a_terminal_it_says_what_is_started(tmp_path: Path) -> None:
    terminal, its_end = pty.openpty()
    with subprocess.Popen([VHB, "up", "--no-api"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=its_end) as process:
        os.close(its_end)
        assert process.stdout is not None and process.stdout.readline().startswith(b"ready")
        said = os.read(terminal, 10_000).decode()
        process.terminate()
        process.wait()
        os.close(terminal)
    started = [line.split(maxsplit=2) for line in said.splitlines() if line.startswith("started")]
    assert started[:2] == [
        ["started", "nats-server", "carries messages and keeps state"], ["started", "agent-0", "runs models"],
    ]  # fmt: skip
    assert [name for _, name, _ in started[2:]] == ["scheduler-0", "evaluator-0", "reporter-0"]
