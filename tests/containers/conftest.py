"""One deployment with one real engine for all tests here; images are built for it from this checkout."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deployment import ROOT, Deployment, Results, deployed, run, wait_until
from deployment_job import SAMPLES, write_documents, write_job

from vhb_shared.testing.real_vllm import SERVE_ARGS, SERVE_ENV

MAX_TOKENS = 400
BUILD_S = 1200
SERVICES = ("scheduler", "inference-agent", "evaluator", "reporter", "api", "s3", "postgres")
LIVE = pytest.StashKey[Deployment]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    live = item.session.stash.get(LIVE, None)
    if report.failed and live is not None:
        report.sections.append(("containers", live.last_words()))
    return report


@pytest.fixture(scope="session")
def images(base_image: str) -> Iterator[str]:
    """Start of the names of this checkout's images."""
    name = f"vhb-e2e-{secrets.token_hex(4)}"
    try:
        run("sh", "deploy/images/build.sh", "--offline", "--postgres", cwd=ROOT, timeout=BUILD_S,
            env={**os.environ, "BASE_IMAGE": base_image, "VHB_IMAGES": name})  # fmt: skip
        yield name
    finally:
        subprocess.run(
            ["docker", "rmi", "--force", *(f"{name}-{service}:latest" for service in SERVICES)], capture_output=True
        )


@pytest.fixture(scope="session")
def deployment(
    images: str, base_image: str, vllm_image: str, tiny_vlm: Path, tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Deployment]:  # fmt: skip
    """The services of compose.yaml, healthy; the tiny model lies in the folder of weights."""

    def prepare(made: Deployment) -> None:
        shutil.copytree(tiny_vlm, made.weights / "tiny")

    with deployed(tmp_path_factory.mktemp("deployment"), images, base_image, prepare=prepare) as live:
        request.session.stash[LIVE] = live
        yield live
        del request.session.stash[LIVE]


@pytest.fixture(scope="session")
def entry(deployment: Deployment, vllm_image: str) -> dict[str, Any]:
    """The model as a user writes it. Every answer is as long as may be, so that the engine is what is waited for."""
    return {
        "name": "tiny",
        "backend": "vllm",
        "image": vllm_image,
        "model": str(deployment.weights / "tiny"),
        "env": SERVE_ENV,
        # In 32 bits: rounding depends on what else is in the engine's batch, and must not decide an answer.
        "engine_args": {**SERVE_ARGS, "dtype": "float32"},
        "resources": {"memory_gib": 5, "shm_gib": 1},
        "concurrency": 4,
        "ready_timeout_s": 600,
        "generation": {"temperature": 0, "max_tokens": MAX_TOKENS, "extra": {"ignore_eos": True}},
    }


@pytest.fixture(scope="session")
def job(entry: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job file beside its documents; everything is asked each time."""
    folder = tmp_path_factory.mktemp("job")
    write_documents(folder / "documents", SAMPLES)
    return write_job(folder / "job.json", entry)


@pytest.fixture(scope="session")
def undisturbed(deployment: Deployment, job: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The job without faults; afterwards the engine is warm."""
    job_id = deployment.submit(job)
    wait_until(lambda: bool(deployment.backends()), 120, "the agent starts a container")
    return deployment.finished(job_id, tmp_path_factory.mktemp("undisturbed") / "out", 900)
