"""The real `transformers serve` as a second engine, through `vhb run`: installed from its lock, asked, reported on."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from asking import PAGES  # isort: skip
from vhb_inference_agent.backends.transformers import VERSION
from vhb_shared.testing.real_vllm import RealVllm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

VHB = [sys.executable, "-m", "vhb"]


def test_a_job_from_images_to_report(real_vllm: RealVllm, tmp_path: Path) -> None:
    model = real_vllm.tiny_vlm("llava")
    entry = {
        "name": "tiny",
        "backend": "transformers",
        "model": str(model),
        "env": {"HF_HUB_OFFLINE": "1"},
        "generation": {"max_tokens": 6, "seed": 1, "top_p": 0.9},
    }
    task = {"name": "read", "dataset": str(PAGES.parent), "prompt": "What is this?", "metrics": ["cer"], "limit": 6}
    job = {"name": "second-engine", "models": [entry], "tasks": [task], "shard_size": 3, "reuse": False}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    environ = {**os.environ, "VHB_AGENT_WEIGHTS": str(tmp_path / "weights")}
    out = tmp_path / "out"
    done = subprocess.run(
        [*VHB, "run", "job.yaml", "--out", str(out), "--workdir", str(tmp_path / "work")],
        cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = out / "runs" / "tiny__read"
    with (run / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {row["outcome"] for row in rows} <= {"answered", "truncated"}
    assert all(float(row["ttft_ms"]) > 0 and int(row["prompt_tokens"]) > 10 for row in rows)
    assert all(0 < int(row["completion_tokens"]) <= 6 for row in rows)
    environment = json.loads((run / "environment.json").read_text())
    assert environment["engine_version"] == environment["packages"]["transformers"] == VERSION
    assert environment["packages"]["torch"].startswith("2.13.0")
    assert "model.safetensors" in environment["weights"]["files"]
    assert environment["dataset"]["samples"] >= 6
    assert environment["devices"] == []
    assert "second-engine" in (out / "report.html").read_text()
