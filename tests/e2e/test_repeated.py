"""Samples asked several times, from the job file to metric rows and a report."""

from pathlib import Path

import pytest
from person import remote, table, vhb, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess

pytestmark = pytest.mark.slow


def test_epochs_give_pass_at_k_and_the_spread_between_them(place: Path, endpoint: EndpointProcess) -> None:
    right = {"match": "вопрос 1?", "action": "answer", "text": "ответ 1"}
    once = {"match": "вопрос 2?", "action": "answer", "text": "ответ 2", "times": 1}
    endpoint.control(rules=[right, once])
    task = {"name": "ask", "dataset": "./few", "metrics": ["exact_match"], "epochs": 3}
    job = write_job(place / "epochs.yaml", [remote(endpoint.base_url)], [task])
    job_id = vhb("submit", job, "--wait", cwd=place).stdout.strip()
    vhb("results", job_id, "--out", place / "epochs", cwd=place)
    rows = {row["metric"]: row for row in table(place / "epochs/runs/remote__ask/metrics_general.csv")}
    assert set(rows) == {"exact_match", *(f"exact_match[pass@{k}]" for k in (1, 2, 3)), "exact_match[epoch_sd]"}
    assert (rows["exact_match"]["n"], rows["exact_match[pass@3]"]["n"]) == ("18", "6")
    assert float(rows["exact_match[pass@3]"]["value"]) >= 1 / 6
    assert float(rows["exact_match[pass@1]"]["value"]) <= float(rows["exact_match[pass@3]"]["value"])
    assert rows["exact_match[pass@3]"]["ci_low"] and not rows["exact_match[epoch_sd]"]["ci_low"]
    assert "exact_match[pass@3]" in (place / "epochs/report.html").read_text()
