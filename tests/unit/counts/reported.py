"""What a job's report says, in each of its files, against what the evaluator said."""

import io
import json
import re

import openpyxl
import polars as pl
import pytest

from vhb_reporter.inert import one_line
from vhb_shared.contracts.events import RunEvaluationCompleted
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.results import OUTCOMES

from .drawing import DERIVED, NUMBERS, Benchmark
from .journey import Journey, csv_rows, shown


def check_report(
    drawn: Benchmark, journey: Journey, plan: Plan, done: list[RunEvaluationCompleted], files: dict[str, bytes]
) -> None:
    """job.json, the tables for programs and spreadsheets, the report and samples.html say what the evaluator said."""
    rows: list[dict[str, str]] = []
    job = json.loads(files["job.json"])
    totals = {outcome: sum(getattr(each.counts, outcome) for each in done) for outcome in OUTCOMES}
    assert job["counts"] == totals
    bad = len(drawn.rows) - len(drawn.good)
    markdown, book = files["report.md"].decode(), openpyxl.load_workbook(io.BytesIO(files["results.xlsx"]))
    assert (
        ("bad rows were left out" in markdown)
        == ("bad rows were left out" in files["report.html"].decode())
        == (bad > 0)
    )
    head, *outcomes = book["outcomes"].iter_rows(values_only=True)
    assert shown(files, "t0-ids") == [name for name, _ in drawn.asked]
    for place, (run, said, summary) in enumerate(zip(plan.runs, done, job["runs"], strict=True)):
        assert summary["counts"] == said.counts.model_dump()
        assert (summary["samples"], summary["skipped_rows"]) == (run.samples, bad)
        keys = ("metric", "value", "n", "n_scored", "n_failed", "value_if_failed_worst", "value_if_failed_best")
        assert [{key: each[key] for key in keys} for each in summary["metrics"]] == [
            {key: getattr(each, key) for key in keys} for each in said.metrics
        ]
        counts = [getattr(said.counts, outcome) for outcome in OUTCOMES]
        assert dict(zip(head, outcomes[place], strict=True)) == {
            "run": run.name, "model": run.model.name, "task": "task", "status": "completed",
            **dict(zip(OUTCOMES, counts, strict=True)), "samples": run.samples,
        }  # fmt: skip
        table = f"| {' | '.join(map(str, counts))} | {run.samples} |"
        lines = markdown.replace("\\", "").splitlines()
        assert any(line.startswith(f"| {run.name}") and line.endswith(table) for line in lines), table
        rows += [line for line in journey.rows(run, "metrics.csv") if line["level"] != "by_id"]
        _check_samples(journey, run, place, files)
    assert csv_rows(files["metrics.csv"]) == rows
    frame = pl.read_parquet(files["metrics.parquet"])
    assert len(json.loads(files["metrics.json"])) == frame.height == book["metrics"].max_row - 1 == len(rows)
    for line, typed in zip(rows, frame.iter_rows(named=True), strict=True):
        assert [typed[name] for name in ("n", "n_scored", "n_failed")] == [
            int(line[name]) for name in ("n", "n_scored", "n_failed")
        ]
        assert [typed[name] for name in NUMBERS] == [float(line[name]) if line[name] else None for name in NUMBERS]


def _check_samples(journey: Journey, run: RunSpec, place: int, files: dict[str, bytes]) -> None:
    expected = [reply for _, reply in journey.expected[run.run_id]]
    assert [OUTCOMES[code] for code in shown(files, f"r{place}-outcomes")] == [reply.outcome for reply in expected]
    chunk = shown(files, f"r{place}-0")
    assert chunk["texts"] == [reply.text for reply in expected]
    scores = journey.table(run, "scores.parquet")
    labels = [label for label in scores["metric"].unique() if not DERIVED.search(label)]
    about = re.search(r'id="about">(.*?)</script>', files["samples.html"].decode(), re.DOTALL)
    assert about is not None
    compared = [metric["label"] for metric in json.loads(about[1])["comparisons"][0]["metrics"]]
    for label in labels:
        number = compared.index(one_line(label, 60))
        found = shown(files, f"r{place}-values{number}")
        assert found == chunk["values"][number]
        assert found == pytest.approx(scores.filter(metric=label)["value"].to_list(), abs=1e-5)
