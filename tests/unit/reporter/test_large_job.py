"""A job of 20 models x 50,000 samples: small pages that open at once, files beside them, memory that stays flat."""

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_shared.contracts.job import JobSpec
from vhb_shared.contracts.plan import Plan
from vhb_shared.contracts.results import METRIC_COLUMNS, MetricValue, OutcomeCounts
from vhb_shared.contracts.state import RunState
from vhb_shared.store import layout
from vhb_shared.testing.chromium import chromium

pytestmark = pytest.mark.slow

MODELS, SAMPLES = 20, 50_000
METRICS = ("cer", "anls")

REPORTED = """
import asyncio, re, sys, time
from pathlib import Path
from vhb_reporter.handlers import ReporterHandlers
from vhb_shared.contracts.events import JobEvaluated
from vhb_shared.contracts.state import RunState
from vhb_shared.errors import NotFound
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore

async def nothing(key):
    raise NotFound(key)

async def main():
    store = DirectoryStore(Path(sys.argv[1]), durable=False)
    async def state(run_id):
        return RunState.model_validate_json(await store.get(f"states/{run_id}.json"))

    handlers = ReporterHandlers(store, ObjectCache(store, Path(sys.argv[1] + "-cache")), state, nothing)
    await handlers.report_job(JobEvaluated(job_id="job1", name="large", round=1, announcement=1))

begun = time.monotonic()
asyncio.run(main())
peak = int(re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[0]) // 1024
print(f"peak {peak} MB, {time.monotonic() - begun:.0f} s")
"""


async def store_data(world: Any) -> pl.DataFrame:
    index = pl.int_range(SAMPLES, dtype=pl.UInt32, eager=True)
    samples = pl.DataFrame({"index": index}).with_columns(
        id=pl.concat_str(pl.lit("doc-"), pl.col("index").cast(pl.String)), split=pl.lit(None, pl.String),
        images=pl.lit([], pl.List(pl.String)), question=pl.lit("What is the total of this page?"),
        references=pl.concat_list(pl.concat_str(pl.lit("The total is "), pl.col("index").cast(pl.String))),
        doc_class=pl.concat_str(pl.lit("class "), (pl.col("index") % 12).cast(pl.String)),
        question_type=pl.concat_str(pl.lit("type "), (pl.col("index") % 5).cast(pl.String)),
        answer_bbox=pl.lit(None, pl.String), data_index=pl.lit(None, pl.String),
    )  # fmt: skip
    await world.put_parquet(layout.dataset_samples(world.digest), samples)
    return samples.select("index", "id", "doc_class", "question_type")


async def store_run(world: Any, known: pl.DataFrame, number: int) -> None:
    run = world.plan_run(f"model-{number:02d}", samples=SAMPLES)
    noise = (pl.col("index").hash(number) % 1000) / 1000
    said = pl.concat_str(
        pl.lit(f"Model {number} reads that the total is "), pl.col("index").cast(pl.String),
        pl.lit(", as far as one can see on this page. " * 4), pl.col("index").hash(number).cast(pl.String),
    )  # fmt: skip
    answers = known.select("index", "id").with_columns(
        model_answer=said, outcome=pl.lit("answered"), error=pl.lit(None, pl.String), latency_ms=200 + 800 * noise,
        ttft_ms=pl.lit(20.0), prompt_tokens=pl.lit(900), completion_tokens=pl.lit(40), attempts=pl.lit(1),
        finish_reason=pl.lit("stop"), answered_at=pl.lit("2026-01-01T00:00:00+00:00"), replica=pl.lit("0"),
        fingerprint=pl.lit("f"),
    )  # fmt: skip
    await world.put_parquet(layout.run_file(run.run_id, "answers.parquet"), answers)
    value = (noise + number / MODELS) / 2
    scores = pl.concat(
        [
            known.with_columns(
                sample=pl.col("id"), document=pl.col("id"), metric=pl.lit(metric), metric_version=pl.lit("1"),
                normalisation=pl.lit("text@1"), outcome=pl.lit("answered"), status=pl.lit("scored"), value=value,
                numerator=value, denominator=pl.lit(1.0), worst_numerator=value, worst_denominator=pl.lit(1.0),
                best_numerator=value, best_denominator=pl.lit(1.0), detail=pl.lit(None, pl.String),
            )
            for metric in METRICS
        ]
    ).sort("index", maintain_order=True)  # fmt: skip
    await world.put_parquet(layout.run_file(run.run_id, "scores.parquet"), scores)
    rows = []
    for metric in METRICS:
        for level, groups in (
            ("general", ["all"]),
            ("by_doc_type", [f"class {n}" for n in range(12)]),
            ("by_question_type", [f"type {n}" for n in range(5)]),
            ("by_doc_question", [f"class {n} type {m}" for n in range(12) for m in range(5)]),
        ):
            for group in groups:
                mean = 0.25 + number / MODELS / 2
                rows.append(dict.fromkeys(METRIC_COLUMNS, "0") | {
                    "run": run.name, "model": run.model.name, "task": "read", "metric": metric, "metric_version": "1",
                    "normalisation": "text@1", "level": level, "group": group, "value": str(mean),
                    "ci_low": str(mean - 0.01), "ci_high": str(mean + 0.01), "n": "9", "n_scored": "9",
                })  # fmt: skip
    csv = pl.DataFrame(rows).select(METRIC_COLUMNS).write_csv().encode()
    await world.store.put(layout.run_file(run.run_id, "metrics.csv"), csv)
    state = RunState(
        run_id=run.run_id, job_id="job1", name=run.name, model=run.model.name, task="read", backend_id=run.backend_id,
        stages=run.stages, stage="reporting", samples=SAMPLES, shards=1, counts=OutcomeCounts(answered=SAMPLES),
        metrics=tuple(
            MetricValue(metric=m, value=0, n=1, n_scored=1, n_failed=0, higher_is_better=m != "cer") for m in METRICS
        ),
    )  # fmt: skip
    await world.store.put(f"states/{run.run_id}.json", state.model_dump_json().encode())


@pytest.mark.timeout(1200)
async def test_twenty_models_and_fifty_thousand_samples(world: Any, record_property: Any) -> None:
    known = await store_data(world)
    for number in range(MODELS):
        await store_run(world, known, number)
    plan = Plan(job_id="job1", spec=JobSpec(name="large"), runs=tuple(world.runs), created_at="2026-01-01T00:00:00Z")
    await world.store.put(layout.plan("job1"), plan.model_dump_json().encode())
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", REPORTED, str(world.folder / "store")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    peak = int(re.findall(r"peak (\d+)", done.stdout)[0])
    folder = Path(str(world.store.local_path(layout.job_file("job1", "report.html")))).parent
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    beside = [path.stat().st_size for path in (folder / "samples").iterdir() if path.is_file()]
    async with chromium() as browser:
        opened = {}
        for name in ("report.html", "samples.html"):
            page = await browser.new_page()
            begun = time.monotonic()
            await page.goto((folder / name).as_uri())
            if name == "samples.html":
                await page.wait_for_selector("html[data-ready=yes]")
            opened[name] = time.monotonic() - begun
        begun = time.monotonic()
        await page.click("[data-sort=score]")
        await page.wait_for_selector("th[aria-sort=ascending]")
        sorting = time.monotonic() - begun
        await page.locator("#rows th button").first.click()
        await page.wait_for_selector("dialog[open]")
        assert await page.locator("#answers .side").count() == MODELS + 1
    print(json.dumps({"reporter": done.stdout.strip(), "sizes": sizes, "files": len(beside), "beside": sum(beside),
                      "largest": max(beside), "opened": opened, "sorted": sorting}))  # fmt: skip
    assert sizes["report.html"] + sizes["samples.html"] < 20_000_000
    assert max(opened.values()) < 20, "the goal is 2 s on a quiet machine"
    assert max(beside) < 1_000_000
    assert peak < 500
