"""Queries over ten million scores: by DuckDB as `vhb query` asks it, and the same by Polars, process start included."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from bench.figures import Figures, median
from vhb_shared.analytics.engine import Limits, ask
from vhb_shared.analytics.saved import saved_queries, saved_query
from vhb_shared.analytics.stored import laid_out, mentioned
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.results import MadeRun, store_job

MODELS = 10
RUNS = 5
SAMPLES = 100_000
METRICS = ("exact_match", "anls")
REPEATS = 3
BY_CLASS = """
SELECT model, doc_class, question_type, metric, avg(value) AS mean, count(*) AS n
FROM scores GROUP BY ALL ORDER BY ALL
"""
POLARS = """
import sys, polars as pl
scores = pl.scan_parquet(sys.argv[1], include_file_paths="path")
found = scores.group_by("path", "doc_class", "question_type", "metric").agg(pl.col("value").mean(), pl.len())
found.collect(engine="streaming")
"""


def measure() -> Figures:
    """Every query several times, in turn; the middle one counts."""
    rows = MODELS * RUNS * SAMPLES * len(METRICS)
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder), durable=False)
        asyncio.run(_fill(store, Path(folder)))
        cases: dict[str, Callable[[], object]] = {
            "mean by model, class and question type": lambda: _asked(store, BY_CLASS),
            "the same by Polars": lambda: _polars(Path(folder) / "runs"),
            "one run's mean": lambda: _asked(store, "SELECT avg(value) FROM scores WHERE run_id = 'job0-0'"),
        } | {f"--saved {query.name}": partial(_saved, store, query.name) for query in saved_queries()}
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(REPEATS):
            for name, work in cases.items():
                started = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - started)
    return Figures(
        name="analytics",
        title=f"Queries over {rows:,} scores of {MODELS * RUNS} runs",
        goal="Goal: under 2 s.",
        columns=("query", "seconds"),
        rows=[(name, f"{median(taken):.2f}") for name, taken in seconds.items()],
        note=f"{RUNS} jobs of {MODELS} models, {SAMPLES:,} samples, {len(METRICS)} metrics, in a directory. The start "
        "of the process that answers is in every figure. `hardest` and `agreement` look at each model's latest "
        "run; `drift` compares four later runs of each with the first.",
    )


async def _fill(store: DirectoryStore, folder: Path) -> None:
    """Plans and small files as they are stored, with scores and answers of many samples in their place."""
    random = np.random.default_rng(0)
    for job in range(RUNS):
        runs = [MadeRun(f"model{number}", ["a"], [1.0]) for number in range(MODELS)]
        ids = await store_job(store, f"job{job}", runs, created_at=f"2026-01-{job + 1:02d}T00:00:00Z")
        for run_id in ids:
            for name, table in (("scores", _scores(random)), ("answers", _answers())):
                path = folder / layout.run_file(run_id, f"{name}.parquet")
                table.write_parquet(path, compression="zstd", row_group_size=8192)


def _scores(random: np.random.Generator) -> pl.DataFrame:
    index = np.arange(SAMPLES)
    parts = []
    for metric in METRICS:
        value = (random.random(SAMPLES) < 0.7).astype(float) if metric == "exact_match" else random.random(SAMPLES)
        part = pl.DataFrame({"index": index.astype(np.uint32), "id": index.astype(str), "value": value})
        parts.append(
            part.with_columns(
                pl.lit(metric).alias("metric"),
                pl.lit("scored").alias("status"),
                pl.format("class {}", pl.col("index") % 20).alias("doc_class"),
                pl.format("type {}", pl.col("index") % 15).alias("question_type"),
                pl.col("value").alias("numerator"),
                pl.lit(1.0).alias("denominator"),
            )
        )
    return pl.concat(parts)


def _answers() -> pl.DataFrame:
    index = pl.Series("index", range(SAMPLES), dtype=pl.UInt32)
    return pl.DataFrame({"index": index}).with_columns(
        pl.col("index").cast(pl.String).alias("id"),
        pl.format("answer {}", pl.col("index")).alias("model_answer"),
        pl.lit("answered").alias("outcome"),
    )


def _asked(store: DirectoryStore, sql: str, parameters: dict[str, str | None] | None = None) -> None:
    async def work() -> None:
        async with laid_out(store, mentioned(sql)) as laid:
            answer = await ask(sql, laid, Limits(seconds=300, memory_mib=2048, rows=100_000), parameters)
            assert answer.rows

    asyncio.run(work())


def _saved(store: DirectoryStore, name: str) -> None:
    query = saved_query(name)
    _asked(store, query.sql, query.bound({"baseline": "job0"} if name == "drift" else {}))


def _polars(runs: Path) -> None:
    subprocess.run([sys.executable, "-c", POLARS, str(runs / "*" / "scores.parquet")], check=True)
