"""A job's results for programs: the same rows in every format, and texts that a spreadsheet takes as texts."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from vhb_reporter import exports
from vhb_reporter.model import Report
from vhb_reporter.results import with_labels
from vhb_reporter.workbook import workbook
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.results import METRIC_COLUMNS, OUTCOMES

GOOD = [f"Total {index}.00 EUR" for index in range(8)]
FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "=HYPERLINK(x)", "http:evil", "{=1}", "\tx\x00", "a" * 40_000)


async def a_job(world: Any) -> dict[str, Any]:
    await world.dataset()
    await world.answer(world.plan_run("small"), [*GOOD[:7], None], [0.5] * 7 + [None])
    await world.answer(world.plan_run("large"), GOOD, [0.25] * 8)
    return await world.job()


def rows_of(data: bytes, sheet: str) -> list[dict[str, Any]]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    head, *rows = book[sheet].iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


async def test_all_formats_hold_the_same_rows(world: Any) -> None:
    files = await a_job(world)
    text = list(csv.DictReader(io.StringIO(files["metrics.csv"])))
    frame = pl.read_parquet(files["metrics.parquet"])
    listed = json.loads(files["metrics.json"])
    sheet = rows_of(files["results.xlsx"], "metrics")
    assert tuple(frame.columns) == tuple(listed[0]) == tuple(sheet[0]) == METRIC_COLUMNS
    assert (frame.schema["value"], frame.schema["n"]) == (pl.Float64, pl.Int64)
    assert len(text) == frame.height == len(listed) == len(sheet) == 10
    for line, row, item, cells in zip(text, frame.iter_rows(named=True), listed, sheet, strict=True):
        assert row == item
        assert {key: value for key, value in row.items() if value is not None} == {
            key: value for key, value in cells.items() if value is not None
        }
        assert float(line["value"]) == row["value"] and line["group"] == row["group"]
        assert row["ci_low"] is None and line["ci_low"] == ""


async def test_the_sheets_of_a_job(world: Any) -> None:
    data = (await a_job(world))["results.xlsx"]
    assert openpyxl.load_workbook(io.BytesIO(data)).sheetnames == [
        "leaderboard", "differences", "metrics", "outcomes", "performance", "provenance"
    ]  # fmt: skip
    board = rows_of(data, "leaderboard")
    assert [(row["place"], row["model"], row["cer"], row["n_failed"]) for row in board] == [
        (1, "large", 0.25, 0), (2, "small", 0.5, 1)
    ]  # fmt: skip
    assert board[1]["cer if failed: worst"] == pytest.approx((7 * 0.5 + 1) / 8)
    outcomes = rows_of(data, "outcomes")
    assert {name: outcomes[0][name] for name in OUTCOMES} == dict.fromkeys(OUTCOMES, 0) | {"answered": 7, "failed": 1}
    facts = {(row["of"], row["what"]): row["value"] for row in rows_of(data, "provenance")}
    assert facts["job", "id"] == "job1"
    assert facts["small__read", "data set: sha256"] == "d" * 64
    assert facts["small__read", "metric cer"] == "version 1, text@1"
    assert facts["small__read, large__read", "package rapidocr"] == "3.8.4"


async def test_no_text_is_a_formula_or_a_link(world: Any) -> None:
    await world.dataset(len(FORMULAS))
    for sample, text in zip(world.samples, FORMULAS, strict=True):
        sample |= {"doc_class": text, "question_type": text}
    model = ModelEntry(name="=1+1", engine_args={"=A1": "=cmd|' /C calc'!A0"}, backend="ocr")
    run = world.plan_run(model, TaskEntry(name="@read", dataset="=1", metrics=("cer",)))
    await world.answer(run, ["x"] * len(FORMULAS), [0.5] * len(FORMULAS))
    data = (await world.job("=1+1"))["results.xlsx"]
    book = openpyxl.load_workbook(io.BytesIO(data))
    kinds = {(cell.data_type, cell.hyperlink) for sheet in book for row in sheet.iter_rows() for cell in row}
    assert kinds == {("s", None), ("n", None)}
    parts = zipfile.ZipFile(io.BytesIO(data))
    assert not any(b"<f>" in parts.read(name) or b"hyperlink" in parts.read(name) for name in parts.namelist())
    groups = {row["group"] for row in rows_of(data, "metrics") if row["level"] == "by_doc_type"}
    assert {"=1+1", "+1", "-1", "@SUM(1)", "\t\u27e8U+0000\u27e9".replace("\t", "\tx")} <= groups
    assert max(map(len, groups)) == 32_767


def test_a_sheet_that_is_too_long_says_what_is_missing() -> None:
    rows = pl.DataFrame({name: [str(number) for number in range(10)] for name in METRIC_COLUMNS})
    report = Report(scope="job", job_id="j", title="t", runs=(), groups=())
    sheet = rows_of(workbook(report, rows, most_rows=6), "metrics")
    assert [row["run"] for row in sheet[:4]] == ["0", "1", "2", "3"]
    assert sheet[4]["run"] == "6 more rows do not fit a sheet; all of them are in metrics.csv and metrics.parquet"
    assert len(sheet) == 5
    exactly = rows_of(workbook(report, rows, most_rows=11), "metrics")
    assert [row["run"] for row in exactly] == [str(number) for number in range(10)]


def test_values_that_are_not_finite() -> None:
    rows = pl.DataFrame({name: ["inf", "nan"] for name in METRIC_COLUMNS})
    files = exports.metrics_files(rows)
    assert [row["value"] for row in json.loads(files["metrics.json"])] == [None, None]
    report = Report(scope="job", job_id="j", title="t", runs=(), groups=())
    assert [row["value"] for row in rows_of(workbook(report, rows), "metrics")] == ["inf", "nan"]


def test_reports_name_metrics_as_scores_do(tmp_path: Path) -> None:
    scores = tmp_path / "scores.parquet"
    labels = [("cer", "text@1"), ("cer@text-lower@1", "text-lower@1"), ("anls[vlmevalkit]", "docvqa@1")]
    pl.DataFrame(labels, schema=["metric", "normalisation"], orient="row").write_parquet(scores)
    tabled = [("cer", "text@1"), ("cer", "text-lower@1"), ("anls[vlmevalkit]", "docvqa@1")]
    # Spreads between epochs are of no sample, so that scores do not name them.
    tabled += [("cer[epoch_sd]", "text@1"), ("cer[epoch_sd]", "text-lower@1")]
    metrics = pl.DataFrame(tabled, schema=["metric", "normalisation"], orient="row").with_columns(level=pl.lit("x"))
    found = with_labels(metrics, scores)
    assert found["metric"].to_list() == [
        "cer", "cer@text-lower@1", "anls[vlmevalkit]", "cer[epoch_sd]", "cer@text-lower@1[epoch_sd]"
    ]  # fmt: skip
    assert found.columns == metrics.columns
    assert with_labels(metrics, None).equals(metrics)
