"""What a person gets: `vhb run` with a model in a container."""

import json
import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCUMENTS = Path(__file__).parents[3] / "examples" / "quickstart" / "documents"


def test_a_job_runs_in_a_container_and_says_which_image_it_was(
    client: "docker.DockerClient", base_image: str, docker_network: str, tmp_path: Path
) -> None:
    model = {"name": "echo-in-a-box", "backend": "ocr", "model": "echo", "environment": "docker", "image": base_image}
    task = {"name": "read", "dataset": str(DOCUMENTS), "prompt": "Read it.", "metrics": ["cer"], "limit": 3}
    job = {"name": "boxed", "models": [{**model, "resources": {"memory_gib": 1, "cpus": 1}}], "tasks": [task]}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    environ = {
        **os.environ,
        "VHB_DOCKER_NETWORK": docker_network,
        "VHB_DOCKER_PACKAGE_CACHE": docker_network,
        "VHB_DOCKER_PULL": "never",
    }
    vhb = Path(sys.executable).with_name("vhb")
    done = subprocess.run(
        [vhb, "run", "job.yaml", "--out", "out"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "out" / "runs" / "echo-in-a-box__read"
    about = json.loads((run / "environment.json").read_text())
    try:
        assert about["environment"] == "docker"
        assert about["image"] == base_image
        assert about["image_id"] == client.images.get(base_image).id
        assert about["built_image_id"] not in (None, about["image_id"])
        assert about["runtime"].startswith("docker ")
        assert about["python"].startswith("3.11.")
        assert "uvicorn" in about["packages"]
        assert len((run / "answers.csv").read_text().splitlines()) > 3
        assert not client.containers.list(all=True, filters={"network": docker_network})
    finally:
        client.images.remove(about["built_image_id"], force=True)
