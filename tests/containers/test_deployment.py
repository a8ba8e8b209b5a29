"""A whole deployment in containers, with a real vLLM that its agent starts: images in, report out, whatever fails."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from deployment import ROOT, Deployment, Results, docker, requests, run, wait_until
from deployment_job import SAMPLES, write_job

from vhb_inference_agent.backends.vllm import VERSION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MID_RUN = 10
CONCURRENCY = 4
PAUSE_S = 12


class Disturbed:
    """A job that is in the middle of its run.

    Args:
        deployment: Where.
        job: Submitted at once.
    """

    def __init__(self, deployment: Deployment, job: Path) -> None:
        self.deployment = deployment
        self.engine = deployment.backend()
        before = deployment.asked(self.engine)
        self.started = time.monotonic()
        self.job_id = deployment.submit(job)
        self.before = before
        wait_until(lambda: self.asked >= MID_RUN, 180, f"{MID_RUN} requests")

    @property
    def asked(self) -> int:
        """Requests of this job to the engine that ran when it began."""
        return self.deployment.asked(self.engine) - self.before

    def check_under_way(self) -> None:
        """The fault came in the middle, and not after the end."""
        assert self.asked < SAMPLES - 2 * CONCURRENCY

    def same(self, undisturbed: Results, out: Path) -> Results:
        """Waits for the end; the answers are those of the undisturbed run."""
        results = self.deployment.finished(self.job_id, out)
        assert results.answers == undisturbed.answers
        print(f"\n{time.monotonic() - self.started:.1f} s from the command to the results")
        return results

    def same_engine(self) -> int:
        """Checks that the engine is the one it began with; requests that it was asked again."""
        assert self.deployment.backends(stopped=True) == [self.engine]
        again = self.asked - SAMPLES
        print(f"{again} requests asked again")
        return again


def test_images_in_report_out(deployment: Deployment, undisturbed: Results) -> None:
    assert [int(sample) for sample, _, _ in undisturbed.answers] == list(range(SAMPLES))
    assert {outcome for _, _, outcome in undisturbed.answers} == {"truncated"}, "as long as they may be"
    assert all(answer for _, answer, _ in undisturbed.answers)
    assert len({answer for _, answer, _ in undisturbed.answers}) > SAMPLES // 4, "they depend on the picture"
    environment = undisturbed.environment
    assert environment["engine_version"] == VERSION
    image = docker("inspect", "--format", "{{.Image}}", deployment.backend()).strip()
    assert environment["image_id"] == image
    assert environment["image_digest"] is None, "an image without a registry has none"
    assert environment["agent"]["commit"] == run("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    report = (undisturbed.folder / "report.html").read_text(encoding="utf-8")
    assert "vllm" in report and VERSION in report
    assert (undisturbed.folder / "report.md").read_text(encoding="utf-8").startswith("#")


def test_a_report_alone(deployment: Deployment, undisturbed: Results, tmp_path: Path) -> None:
    """Asked for with the rights that each service has here."""
    job_id = json.loads((undisturbed.folder / "job.json").read_text(encoding="utf-8"))["job_id"]
    deployment.vhb("report", job_id, "--out", tmp_path / "again")
    assert "vllm" in (tmp_path / "again" / "report.html").read_text(encoding="utf-8")


def test_engine_killed(deployment: Deployment, job: Path, undisturbed: Results, tmp_path: Path) -> None:
    run_ = Disturbed(deployment, job)
    run_.check_under_way()
    log = tmp_path / "engine.log"
    with log.open("wb") as file, subprocess.Popen(
        ["docker", "logs", "--follow", run_.engine], stdout=file, stderr=file
    ) as following:  # fmt: skip
        deployment.kill_9(run_.engine)
        following.wait(60)
    before = requests(log.read_text(errors="replace")) - run_.before
    took = wait_until(lambda: deployment.backends() not in ([], [run_.engine]), 120, "another container runs")
    print(f"\nits successor was started {took:.1f} s after the kill")
    run_.same(undisturbed, tmp_path / "out")
    successor = deployment.backend()
    assert deployment.backends(stopped=True) == [successor], "nothing is left of the killed one"
    again = before + deployment.asked(successor) - SAMPLES
    print(f"{before} requests before, {again} asked again")
    assert 0 <= again <= 2 * CONCURRENCY


def test_bus_paused(deployment: Deployment, job: Path, undisturbed: Results, tmp_path: Path) -> None:
    run_ = Disturbed(deployment, job)
    run_.check_under_way()
    with deployment.paused("nats"):
        time.sleep(PAUSE_S)
    run_.same(undisturbed, tmp_path / "out")
    run_.same_engine()


def test_storage_restarted(deployment: Deployment, job: Path, undisturbed: Results, tmp_path: Path) -> None:
    run_ = Disturbed(deployment, job)
    run_.check_under_way()
    docker("restart", "--time", "0", deployment.container("s3"))
    run_.same(undisturbed, tmp_path / "out")
    run_.same_engine()


def test_database_killed(deployment: Deployment, job: Path, undisturbed: Results, tmp_path: Path) -> None:
    run_ = Disturbed(deployment, job)
    run_.check_under_way()
    database, api = deployment.container("postgres"), deployment.container("api")
    before = _restarts(database), _restarts(api)
    deployment.kill_9(database)
    run_.same(undisturbed, tmp_path / "out")
    run_.same_engine()
    happened = deployment.event_ids(run_.job_id)
    took = wait_until(lambda: deployment.api.event_ids(run_.job_id) == happened, 60, "it knows of everything")
    print(f"\nit knew of everything {took:.1f} s after the results")
    known = deployment.api.get(f"/jobs/{run_.job_id}")
    assert known["status"] == "completed" and sum(known["counts"].values()) == SAMPLES, "nothing twice"
    assert (_restarts(database), _restarts(api)) == (before[0] + 1, before[1]), "the interface waited for it"


def test_agent_killed(deployment: Deployment, job: Path, undisturbed: Results, tmp_path: Path) -> None:
    run_ = Disturbed(deployment, job)
    run_.check_under_way()
    agent = deployment.container("inference-agent")
    restarts = _restarts(agent)
    deployment.kill_9(agent)
    run_.same(undisturbed, tmp_path / "out")
    assert _restarts(agent) == restarts + 1, "its restart policy brought it back"
    assert 0 <= run_.same_engine() <= 3 * CONCURRENCY


def test_agents_and_reasons_are_shown(deployment: Deployment, entry: dict[str, Any], job: Path) -> None:
    (agent,) = json.loads(deployment.vhb("agents", "--json"))
    assert agent["agent_id"] == deployment.name
    assert [session["model"] for session in agent["sessions"]] == ["tiny"]
    assert deployment.name in deployment.vhb("agents")
    greedy = {**entry, "name": "greedy", "resources": {"gpus": 2, "gpu_memory_gib": 40}}
    job_id = deployment.submit(write_job(job.with_name("greedy.json"), greedy))
    try:
        reason = "waiting: needs 2 GPUs with 40 GiB each; 1 agent online, none has a GPU"
        wait_until(lambda: reason in deployment.vhb("explain", job_id), 60, "the reason is known")
    finally:
        deployment.vhb("cancel", job_id)


def test_no_secret_shows(deployment: Deployment, undisturbed: Results) -> None:
    files = [*deployment.folder.glob("secrets/nats/*.json"), *deployment.folder.glob("secrets/s3/*.secret_key")]
    files += [
        deployment.folder / "secrets" / "postgres" / "password",
        deployment.folder / "secrets" / "api" / "admin.token",
    ]
    secrets = [json.loads(path.read_text())["password"] if path.suffix == ".json" else path.read_text().strip()
               for path in files]  # fmt: skip
    assert len(secrets) > 10 and all(len(secret) >= 40 for secret in secrets)
    ids = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={deployment.name}").split()
    ids += deployment.backends(stopped=True)
    shown = docker("inspect", *ids) + json.dumps(undisturbed.environment)
    shown += "".join(run("sh", "-c", f"docker logs {each} 2>&1") for each in ids)
    shown += "".join(docker("history", "--no-trunc", docker("inspect", "--format", "{{.Image}}", each).strip())
                     for each in ids)  # fmt: skip
    assert not [path.name for path, secret in zip(files, secrets, strict=True) if secret in shown]


def test_gpus_without_their_runtime_are_refused(deployment: Deployment) -> None:
    if "nvidia" in docker("info", "--format", "{{json .Runtimes}}"):
        pytest.skip("this engine has the NVIDIA runtime")
    with pytest.raises(AssertionError, match='could not select device driver "nvidia"'):
        deployment.compose("--profile", "gpu", "up", "--detach", "--no-deps", "inference-agent-gpu")


def test_cancelled_within_seconds(deployment: Deployment, job: Path, undisturbed: Results) -> None:
    """The last one of this file: it takes the warm engine with it."""
    run_ = Disturbed(deployment, job)
    deployment.vhb("cancel", run_.job_id)
    took = wait_until(lambda: not deployment.backends(stopped=True), 30, "its container is gone")
    print(f"\nits container was gone {took:.1f} s after the command")
    assert deployment.status(run_.job_id)["status"] == "cancelled"


def _restarts(container: str) -> int:
    """How often its restart policy has brought it back."""
    return int(docker("inspect", "--format", "{{.RestartCount}}", container))
