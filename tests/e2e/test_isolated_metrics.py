"""Metrics whose packages are not in our environment, from registry entries beside a job, without a network."""

import csv
import json
from pathlib import Path
from typing import Any

import yaml
from person import remote, vhb, write_folder, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.wheels import make_wheel

CODE = """
import os
from pathlib import Path
import far_off

class Nearness:
    def __init__(self, offset=0.0):
        self.offset = offset

    def score(self, samples):
        flag = Path(os.environ["FLAG"])
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), 9)  # in the middle of a batch
        right = [sample["answer"] == sample["references"][0] for sample in samples]
        return [{"row": s["row"], "value": far_off.nearness(r) + self.offset} for s, r in zip(samples, right)]
"""


def general(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["metric"]: row for row in csv.DictReader(file) if row["level"] == "general"}


def test_two_metrics_with_conflicting_packages_in_one_job(tmp_path: Path, endpoint: EndpointProcess) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "far_off", "1.0", "def nearness(right): return float(right)")
    make_wheel(wheels, "far_off", "2.0", "def nearness(right): return 10 - 8 * float(right)")
    entries = tmp_path / "registry" / "metrics"
    (entries / "nearness").mkdir(parents=True)
    (entries / "nearness" / "__init__.py").touch()
    (entries / "nearness" / "scoring.py").write_text(CODE)
    for name, version, direction in (("near", "1.0", "higher"), ("far", "2.0", "lower")):
        entry = {
            "name": name, "summary": f"how {name}", "direction": direction, "source": "this test",
            "target": "nearness.scoring:Nearness", "path": "./nearness", "packages": [f"far_off=={version}"],
            "options": {"offset": 0.0}, "env": {"FLAG": str(tmp_path / f"killed-{name}")},
        }  # fmt: skip
        (entries / f"{name}.yaml").write_text(yaml.safe_dump(entry))
    write_folder(tmp_path / "few", 4)
    endpoint.control(rules=[{"match": f"вопрос {n}?", "action": "answer", "text": f"ответ {n % 2}"} for n in range(4)])
    metrics: list[Any] = ["near", "far", {"name": "near", "options": {"offset": 0.25}}, "exact_match"]
    task = {"name": "read", "dataset": "./few", "metrics": metrics}
    job = write_job(tmp_path / "job.yaml", [remote(endpoint.base_url)], [task])

    listed = vhb("metrics", "list", "--beside", ".", cwd=tmp_path, env={"COLUMNS": "300"}).stdout
    assert any("near " in line and "process" in line and "how near" in line for line in listed.splitlines())
    shown = vhb("metrics", "show", "far", "--beside", ".", cwd=tmp_path).stdout
    assert "far_off==2.0" in shown
    vhb("validate", job, cwd=tmp_path)

    env = {
        "VHB_EVALUATOR_WHEELS": str(wheels),
        "VHB_EVALUATOR_ENVIRONMENTS": str(tmp_path / "environments"),
    }
    vhb("run", job, "--out", "out", "--workdir", "wd", cwd=tmp_path, env=env)
    rows = general(tmp_path / "out/metrics.csv")
    assert {name: float(row["value"]) for name, row in rows.items()} == {
        "near": 0.5, "far": 6, 'near{"offset":0.25}': 0.75, "exact_match": 0.5,
    }  # fmt: skip
    assert (
        rows["near"]["metric_version"].startswith("1+")
        and rows["near"]["metric_version"] != rows["far"]["metric_version"]
    )
    assert shown.startswith(f"far@{rows['far']['metric_version']}: "), "the version of scores, wherever the code lies"
    assert (tmp_path / "killed-near").exists() and (tmp_path / "killed-far").exists()
    really = json.loads((tmp_path / "out/runs/remote__read/metric_environments.json").read_text())
    report = (tmp_path / "out/report.md").read_text()
    assert "far\\_off 1.0" in report or "far_off 1.0" in report
    assert {name: each["packages"]["far_off"] for name, each in really.items()} == {"near": "1.0", "far": "2.0"}


def test_mistakes_are_said_before_anything_runs(tmp_path: Path, endpoint: EndpointProcess) -> None:
    entries = tmp_path / "registry" / "metrics"
    entries.mkdir(parents=True)
    entry = {"name": "near", "summary": "s", "direction": "higher", "source": "s", "target": "near:Near",
             "path": "near.py", "options": {"offset": 0.0}}  # fmt: skip
    file = entries / "near.yaml"
    file.write_text(yaml.safe_dump(entry))
    write_folder(tmp_path / "few", 1)
    task: dict[str, Any] = {"name": "read", "dataset": "./few", "metrics": ["near"]}
    job = write_job(tmp_path / "job.yaml", [remote(endpoint.base_url)], [task])
    assert "near.py" in vhb("validate", job, cwd=tmp_path, code=2).stderr
    (entries / "near.py").write_text("class Near: ...")
    task["metrics"] = [{"name": "near", "options": {"offst": 1}}]
    job = write_job(tmp_path / "job.yaml", [remote(endpoint.base_url)], [task])
    said = "option 'offst' of metric 'near': there is no such option; known options: offset"
    assert said in vhb("validate", job, cwd=tmp_path, code=2).stderr
    file.write_text(yaml.safe_dump({**entry, "name": "cer"}))
    assert "installed package" in vhb("validate", job, cwd=tmp_path, code=2).stderr
    file.write_text(yaml.safe_dump({**entry, "direction": "up"}))
    assert "near.yaml" in vhb("validate", job, cwd=tmp_path, code=2).stderr
