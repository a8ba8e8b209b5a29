"""A report of 100,000 samples, explorer included, takes about the memory of one of 10,000."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from vhb_shared.contracts.results import METRIC_COLUMNS, MetricValue
from vhb_shared.contracts.state import RunState
from vhb_shared.store import layout

MEASURED = """
import asyncio, re, sys
from pathlib import Path
from vhb_reporter import exports, render
from vhb_reporter.explorer.publish import publish_samples
from vhb_reporter.gather import Gatherer
from vhb_shared.contracts.plan import Plan
from vhb_shared.contracts.state import RunState
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore

async def nothing(key):
    raise NotFound(key)

async def main():
    store = DirectoryStore(Path(sys.argv[1]), durable=False)
    plan = Plan.model_validate_json(await store.get(layout.plan("job1")))
    async def state(run_id):
        return RunState.model_validate_json(await store.get("state.json"))

    gatherer = Gatherer(store, ObjectCache(store, Path(sys.argv[1] + "-cache")).path, state, nothing)
    async with gatherer.job_report(plan) as gathered:
        report, metrics = gathered.report, exports.metrics_files(gathered.metrics)["metrics.csv"]
        print(len(report.cards), report.counts.total, len(render.html(report)), len(metrics))
        await publish_samples(store, "job1", gathered, images=10)

asyncio.run(main())
# Not ru_maxrss: over fork and exec it keeps the parent's peak.
print("peak", int(re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[0]) // 1024)
"""


async def store_results(world, count: int) -> None:
    """Results of a run with many samples, by whole columns."""
    index = pl.int_range(count, dtype=pl.UInt32, eager=True)
    ids, text = index.cast(pl.String), "The total of this page is 12.00 EUR. " * 55
    samples = pl.DataFrame({"index": index, "id": ids}).with_columns(
        split=pl.lit(None, pl.String), images=pl.lit([], pl.List(pl.String)), question=pl.lit("What is the total?"),
        references=pl.concat_list(pl.lit("12.00 EUR")), doc_class=pl.lit("receipt"), question_type=pl.lit("clean"),
        answer_bbox=pl.lit(None, pl.String), data_index=pl.lit(None, pl.String),
    )  # fmt: skip
    await world.put_parquet(layout.dataset_samples(world.digest), samples)
    run = world.plan_run("one", samples=count)
    answers = pl.DataFrame({"index": index, "id": ids}).with_columns(
        # No two answers alike: nothing is saved by a dictionary in the file.
        model_answer=pl.concat_str(pl.lit(text), pl.col("id"), pl.col("id").hash().cast(pl.String)),
        outcome=pl.lit("answered"), error=pl.lit(None, pl.String), latency_ms=pl.lit(10.0), ttft_ms=pl.lit(1.0),
        prompt_tokens=pl.lit(5), completion_tokens=pl.lit(5), attempts=pl.lit(1), finish_reason=pl.lit("stop"),
        answered_at=pl.lit("2026-01-01T00:00:00+00:00"), replica=pl.lit("0"), fingerprint=pl.lit("f"),
    )  # fmt: skip
    await world.put_parquet(layout.run_file(run.run_id, "answers.parquet"), answers)
    value = (pl.col("index").hash() % 1000) / 1000
    scores = pl.DataFrame({"index": index, "id": ids}).with_columns(
        doc_class=pl.lit("receipt"), question_type=pl.lit("clean"), metric=pl.lit("cer"), metric_version=pl.lit("1"),
        normalisation=pl.lit("text@1"), outcome=pl.lit("answered"), status=pl.lit("scored"), value=value,
        numerator=value, denominator=pl.lit(1.0), worst_numerator=value, worst_denominator=pl.lit(1.0),
        best_numerator=value, best_denominator=pl.lit(1.0),
    )  # fmt: skip
    await world.put_parquet(layout.run_file(run.run_id, "scores.parquet"), scores)
    fixed = dict.fromkeys(METRIC_COLUMNS, "0") | {"metric": "cer", "run": run.name, "model": "one", "task": "read"}
    metrics = pl.DataFrame({"group": ids}).with_columns(
        *(pl.lit(fixed[name]).alias(name) for name in METRIC_COLUMNS if name not in {"group", "level"}),
        level=pl.lit("by_id"),
    )  # fmt: skip
    general = metrics.head(1).with_columns(level=pl.lit("general"), group=pl.lit("general"))
    csv = pl.concat([metrics, general]).select(METRIC_COLUMNS).write_csv().encode()
    await world.store.put(layout.run_file(run.run_id, "metrics.csv"), csv)
    state = RunState(
        run_id=run.run_id, job_id="job1", name=run.name, model="one", task="read", backend_id=run.backend_id,
        stages=run.stages, stage="reporting", samples=count, shards=1,
        metrics=(MetricValue(metric="cer", value=0, n=count, n_scored=count, n_failed=0, higher_is_better=False),),
    )  # fmt: skip
    await world.store.put("state.json", state.model_dump_json().encode())
    await world.job()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_memory_does_not_grow_with_the_data(world, tmp_path: Path) -> None:
    peaks = []
    for count in (10_000, 100_000):
        world.folder = tmp_path / str(count)
        world.runs.clear()
        world.__post_init__()
        await store_results(world, count)
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", MEASURED, str(world.folder / "store")],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        first = done.stdout.split()
        assert first[:2] == ["12", str(count)] and int(first[2]) < 200_000 and int(first[3]) < 2_000
        peaks.append(int(re.findall(r"peak (\d+)", done.stdout)[0]))
    assert peaks[1] - peaks[0] < 80, f"{peaks} MB"
