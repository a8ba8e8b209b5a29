"""Each service does its whole work as a user of its own: a job through real processes, with a bus and an object storage
that refuse everything else."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from bus_server import RoleServer
from s3_rights_server import RightsServer, rights_server

from vhb_shared import health
from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.samples import small_png

MODULES = {
    "scheduler": "vhb_scheduler",
    "agent": "vhb_inference_agent",
    "evaluator": "vhb_evaluator",
    "reporter": "vhb_reporter",
    "api": "vhb_api",
}


def _environment(server: RoleServer, s3: RightsServer, role: str, folder: Path) -> dict[str, str]:
    """What a service of a deployment sees: files with secrets, no secret in a variable."""
    access, secret = folder / f"{role}.access", folder / f"{role}.secret"
    if role in s3.keys:
        access.write_text(s3.keys[role][0])
        secret.write_text(s3.keys[role][1] + "\n")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("VHB_")}
    return inherited | {
        "VHB_NATS_URL": server.url,
        "VHB_NATS_CREDS": str(server.layout.nats / f"{role}.json"),
        "VHB_S3_ENDPOINT": f"http://{s3.endpoint}",
        "VHB_S3_ACCESS_KEY_FILE": str(access),
        "VHB_S3_SECRET_KEY_FILE": str(secret),
        "VHB_CACHE_DIR": str(folder / "cache" / role),
        "VHB_HEALTH_FILE": str(folder / f"{role}.health"),
        "VHB_AGENT_NAME": "agent",
        "VHB_AGENT_DIRECTORY": str(folder / "agent"),
        "VHB_AGENT_ENVIRONMENTS": str(folder / "environments"),
        "VHB_API_DATABASE": f"sqlite:///{folder}/api.db",
        "VHB_API_PORT": "0",
        "VHB_API_ADDRESS_FILE": str(folder / "api.address"),
        "VHB_API_ADMIN_TOKEN_FILE": str(server.layout.api / "admin.token"),
        "VHB_LOG_FORMAT": "json",
        "POLARS_MAX_THREADS": "2",
    }


@contextmanager
def _services(server: RoleServer, s3: RightsServer, folder: Path) -> Iterator[dict[str, Path]]:
    logs = {role: folder / f"{role}.log" for role in MODULES}
    processes = []
    try:
        for role, module in MODULES.items():
            with logs[role].open("wb") as log:
                env = _environment(server, s3, role, folder)
                processes.append(subprocess.Popen([sys.executable, "-m", module], env=env, stdout=log, stderr=log))
        yield logs
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _job(folder: Path, base_url: str) -> Path:
    (folder / "data" / "images").mkdir(parents=True)
    lines = ["data_index;split;image_path;question;answer;doc_class;question_type;answer_bbox"]
    for number in range(6):
        (folder / "data" / "images" / f"{number}.png").write_bytes(small_png(number))
        lines.append(f"{number};test;images/{number}.png;question {number};answer {number};letter;q;")
    (folder / "data" / "annotation.csv").write_text("\n".join(lines) + "\n")
    job = {
        "name": "rights",
        "models": [{"name": "stand-in", "backend": "openai", "base_url": base_url}],
        "tasks": [{"name": "read", "dataset": str(folder / "data"), "metrics": ["cer"]}],
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    return path


def _vhb(env: dict[str, str], *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vhb", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=150, check=False)


def _denials(logs: dict[str, Path]) -> list[str]:
    signs = ("nats_denied", "denies access", "handler_failed")
    said = (line for log in logs.values() for line in log.read_text().splitlines())
    return [line[-500:] for line in said if any(sign in line for sign in signs)]


def _statuses(file: Path) -> list[str]:
    """What the management plane knows of the jobs, as soon as it does."""
    give_up = time.monotonic() + 20
    while True:
        with closing(sqlite3.connect(file)) as database:
            found = [status for (status,) in database.execute("SELECT status FROM jobs")]
        if "running" not in found or time.monotonic() > give_up:
            return found
        time.sleep(0.2)


def _handed_in(folder: Path, token: Path) -> str:
    """The same job as the management plane's own user hands it in: its data are in storage already. Its id."""
    job = json.loads((folder / "job.json").read_text()) | {"name": "over REST", "reuse": False}
    with closing(sqlite3.connect(folder / "api.db")) as database:
        (digest,) = database.execute("SELECT dataset_digest FROM runs").fetchone()
    job["tasks"][0]["dataset"] = f"sha256:{digest}"
    request = urllib.request.Request(
        f"{(folder / 'api.address').read_text()}/api/v1/jobs",
        data=json.dumps(job).encode(),
        headers={"Authorization": f"Bearer {token.read_text()}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        job_id: str = json.load(response)["job_id"]
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        with closing(sqlite3.connect(folder / "api.db")) as database:
            if database.execute("SELECT 1 FROM jobs WHERE job_id = ?", (job_id,)).fetchone():
                break
        time.sleep(0.2)
    return job_id


@pytest.mark.slow
@pytest.mark.timeout(500)
async def test_a_job_runs_with_every_service_as_its_own_user(server: RoleServer, tmp_path: Path) -> None:
    with rights_server() as s3, EndpointProcess() as endpoint, _services(server, s3, tmp_path) as logs:
        user = _environment(server, s3, "cli", tmp_path)
        done = _vhb(user, "submit", _job(tmp_path, endpoint.base_url), "--wait")
        assert done.returncode == 0, f"{done.stderr}\n{_denials(logs)}"
        job_id = done.stdout.split()[0]
        assert _vhb(user, "results", job_id, "--out", tmp_path / "out").returncode == 0
        assert (tmp_path / "out" / "report.html").exists()
        assert (tmp_path / "out" / "runs" / "stand-in__read" / "performance.json").exists()
        again = _vhb(user, "submit", tmp_path / "job.json", "--wait")
        assert again.returncode == 0, f"{again.stderr}\n{_denials(logs)}"
        given_up = _vhb(user, "dlq", "list").stdout
        assert "Nothing was given up on" in given_up, f"{given_up}\n{_denials(logs)}"

        listening = _environment(server, s3, "subscriber", tmp_path)
        told = _vhb(listening, "events", "--json")
        assert told.returncode == 0, told.stderr
        assert "org.vlmhyperbench.job.completed.v1" in told.stdout
        refused = _vhb(listening, "cancel", job_id)
        assert refused.returncode == 2 and "'subscriber' may not" in refused.stderr, refused.stderr

        assert _statuses(tmp_path / "api.db") == ["completed", "completed"]
        over_rest = _handed_in(tmp_path, server.layout.api / "admin.token")
        assert _statuses(tmp_path / "api.db") == ["completed"] * 3, f"{over_rest}\n{_denials(logs)}"

        assert _denials(logs) == []
        secrets = [s3.keys[role][1] for role in MODULES]
        secrets += [json.loads((server.layout.nats / f"{role}.json").read_text())["password"] for role in MODULES]
        assert not any(secret in log.read_text() for secret in secrets for log in logs.values())
        for role in MODULES:
            assert health.trouble(tmp_path / f"{role}.health", time.monotonic()) is None
