"""A task with a schema, structured metrics, a gate and a judge; then the stored answers judged again."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from person import remote, vhb, write_job
from PIL import Image

from vhb_shared.testing.endpoint_process import EndpointProcess

pytestmark = pytest.mark.slow

SCHEMA = {"type": "object", "required": ["total"], "properties": {"total": {"type": "string"}}}
TRUTH = {"fields": {"total": {"value": "10.00", "bboxes": [[1, 2, 3, 4]]}}}
SAID = ['{"total": "10.00"}', '```json\n{"total": "10.50"}\n```', '{"total": 10.00}', "I cannot see a total."]


def write_receipts(folder: Path) -> None:
    folder.mkdir()
    rows = []
    for place in range(len(SAID)):
        Image.new("RGB", (8, 8), (place, 90, 7)).save(folder / f"{place}.png")
        rows.append({"image": f"{place}.png", "question": f"receipt {place}", "answer": json.dumps(TRUTH)})
    (folder / "receipts.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def general(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["metric"]: row for row in csv.DictReader(file) if row["level"] == "general"}


def test_structured_answers_and_a_judge(place: Path, endpoint: EndpointProcess) -> None:
    # The judge is the same server; it is told apart by its instructions.
    verdicts = [{"match": f"receipt {n}\n</question", "action": "answer", "text": json.dumps({"score": 5 - n})}
                for n in range(3)]  # fmt: skip
    away = {"match": "receipt 3\n</question", "action": "status", "status": 400}
    answers = [{"match": f"receipt {n}", "action": "answer", "text": text} for n, text in enumerate(SAID)]
    endpoint.control(rules=[*verdicts, away, *answers])
    write_receipts(place / "receipts")
    judge: dict[str, Any] = {"model": "stand-in", "base_url": endpoint.base_url, "attempts": 1}
    metrics: list[Any] = [
        "field_f1",
        "field_accuracy",
        "structural_fidelity",
        {"name": "cer", "gate": "structural_fidelity"},
        {"name": "judge", "options": judge},
    ]
    task = {"name": "read", "dataset": "./receipts/receipts.jsonl", "response_schema": SCHEMA, "metrics": metrics}
    job = write_job(place / "receipts.yaml", [remote(endpoint.base_url)], [task])
    done = vhb("submit", job, "--wait", cwd=place)
    vhb("results", done.stdout.strip(), "--out", "receipts-out", cwd=place)
    assert "1 of 4 samples were not scored" in done.stderr and "a judge did not answer" in done.stderr
    rows = general(place / "receipts-out/metrics.csv")
    label = next(name for name in rows if name.startswith("judge{"))
    # TP 2 (the number is the same text); FP 1, FN 1 of the wrong total, FN 1 of the prose.
    assert float(rows["field_f1"]["value"]) == 2 / (2 + 3 / 2)
    assert float(rows["field_accuracy"]["value"]) == 0.5
    assert float(rows["structural_fidelity"]["value"]) == 0.5
    assert "cer(gate=structural_fidelity)" in rows and "cer" not in rows
    assert (float(rows[label]["value"]), rows[label]["n"], rows[label]["n_scored"]) == (0.75, "4", "3")
    judges = json.loads((place / "receipts-out/runs/remote__read/judges.json").read_text())
    assert judges[label]["judges"][0]["failed"] == 1

    endpoint.control(reset=True, rules=[{"match": "receipt 3", "action": "answer", "text": '{"score": 1}'}])
    (place / "again.yaml").write_text(yaml.safe_dump({"metrics": [{"name": "judge", "options": judge}, "anls_star"]}))
    job_id = done.stdout.strip()
    vhb("evaluate", job_id, "--metrics", "again.yaml", "--out", "judged", cwd=place)
    assert endpoint.stats()["total"] == 1  # the three rulings are kept
    again = general(place / "judged/metrics.csv")
    assert float(again[label]["value"]) == (1 + 0.75 + 0.5 + 0) / 4
    assert "anls_star" in again

    # A judge that sees the images: only they tell the receipts apart.
    digests = [hashlib.sha256((place / f"receipts/{n}.png").read_bytes()).hexdigest() for n in range(len(SAID))]
    rulings = [{"match": digest, "action": "answer", "text": json.dumps({"score": 1 + n})}
               for n, digest in enumerate(digests)]  # fmt: skip
    endpoint.control(reset=True, rules=rulings)
    seeing = {"name": "judge", "options": {**judge, "images": True}}
    (place / "seeing.yaml").write_text(yaml.safe_dump({"metrics": [seeing]}))
    vhb("evaluate", job_id, "--metrics", "seeing.yaml", "--out", "seen", cwd=place)
    (seen,) = general(place / "seen/metrics.csv").values()
    assert (float(seen["value"]), seen["n_scored"]) == ((0 + 0.25 + 0.5 + 0.75) / 4, "4")

    refused = vhb("evaluate", job_id, "--metrics", "none.yaml", cwd=place, code=2)
    assert "no file of metrics at none.yaml" in refused.stderr


def test_metrics_show_their_options(place: Path) -> None:
    said = vhb("metrics", "show", "judge", cwd=place).stdout
    assert "rubric (" in said and "base_url (None)" in said and "Requests in flight" in said
    assert "schema (None): JSON Schema" in vhb("metrics", "show", "structural_fidelity", cwd=place).stdout
    assert "options:" not in vhb("metrics", "show", "field_f1", cwd=place).stdout
