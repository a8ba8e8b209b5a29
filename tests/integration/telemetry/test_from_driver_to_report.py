"""From the driver to the report through the running stack; only the driver is a stand-in. No test machine has a GPU."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from vhb_shared.testing.samples import small_png

SAMPLES = 24


def _write_job(folder: Path) -> Path:
    (folder / "documents" / "images").mkdir(parents=True)
    header = "data_index;split;image_path;question;answer;doc_class;question_type;answer_bbox"
    lines = [f"{n};test;images/{n % 4}.png;question {n};answer {n};letter;q;" for n in range(SAMPLES)]
    for number in range(4):
        (folder / "documents" / "images" / f"{number}.png").write_bytes(small_png(number))
    (folder / "documents" / "annotation.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8-sig")
    model = {
        "name": "echo", "backend": "ocr", "model": "echo", "engine_args": {"delay_ms": 400}, "concurrency": 1,
        "resources": {"gpus": 1},
    }  # fmt: skip
    task = {"name": "read", "dataset": str(folder / "documents"), "metrics": ["cer"]}
    (folder / "job.json").write_text(json.dumps({"name": "gpu", "models": [model], "tasks": [task], "reuse": False}))
    return folder / "job.json"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_the_device_used_is_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    shutil.copyfile(Path(__file__).with_name("nvml.py"), tmp_path / "library" / "pynvml.py")
    job, out = _write_job(tmp_path), tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "vhb", "run", str(job), "--out", str(out), "--workdir", str(tmp_path / "work")],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "library")},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((out / "runs" / "echo__read" / "performance.json").read_text())
    assert (found["measured"], found["profile"], found["concurrency_peak"]) == (SAMPLES, "single", 1)
    assert (found["devices"], found["device_names"], found["throttled"]) == (1, "Stand-in GPU", "power")
    assert found["device_use"] == pytest.approx(0.8)
    assert 1 << 30 <= found["device_memory_idle"] < found["device_memory_peak"] < 24 << 30
    # 200 W in every span in which requests were in flight.
    spans = pl.read_parquet(out / "runs" / "echo__read" / "telemetry.parquet")["seconds"].sum()
    assert found["energy_j"] == pytest.approx(200 * spans, rel=0.3)
    assert found["energy_j_per_answer"] == pytest.approx(found["energy_j"] / SAMPLES)
    assert found["latency_ms"]["p50"] >= 400 and found["memory_peak"] > 1 << 20 and found["cpu_s"] is not None
    assert found["missing"]["engine_waiting_peak"] == "the engine offers no such figure on /metrics"
    assert not {"energy_j", "device_use", "device_memory_idle"} & found["missing"].keys()
    with (out / "performance.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["energy_j"]) == found["energy_j"]
    report = (out / "report.html").read_text()
    assert "Stand-in GPU" in report and "one at a time" in report
