"""Aggregation of a large run with and without intervals: processor time and memory."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from bench.figures import Figures

SMALL = 100_000
LARGE = 1_000_000
METRICS = ("cer", "anls", "exact_match")
CLASSES = 20
TYPES = 15
"""Together 300 groups by class and question type."""


def measure() -> Figures:
    """Three data sets, each aggregated in a process of its own."""
    cases = [
        (f"{SMALL:,} samples, each its own document", SMALL, SMALL, TYPES),
        (f"{LARGE:,} samples, each its own document", LARGE, LARGE, TYPES),
        (f"{LARGE:,} samples of 50,000 documents", LARGE, 50_000, TYPES),
        (f"{LARGE:,} samples, 20,000 groups of 50", LARGE, LARGE, 1000),
    ]
    rows = []
    for name, samples, documents, types in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scores.parquet"
            _write(path, samples, documents, types)
            plain, before = _run(path, intervals=False)
            whole, mib = _run(path, intervals=True)
            rows.append((name, f"{plain:.1f}", f"{whole:.1f}", f"{before:.0f}", f"{mib:.0f}"))
    return Figures(
        name="intervals",
        title=f"Aggregation of {len(METRICS)} metrics, with intervals, {CLASSES * TYPES} groups by class and question",
        goal="Goal: memory grows with groups, not with samples; less than a minute for a million samples.",
        columns=("scores", "without intervals, s", "with, s", "without, MiB", "with, MiB"),
        rows=rows,
        note="Scores are read from a file, metric rows written to one. Seconds of processors; memory of the process.",
    )


def _write(path: Path, samples: int, documents: int, types: int) -> None:
    """Scores as an evaluator writes them, a part at a time."""
    random = np.random.default_rng(0)
    parts = []
    for start in range(0, samples, 100_000):
        index = np.arange(start, min(start + 100_000, samples))
        length = random.integers(20, 2000, len(index)).astype(float)
        right = random.random(len(index)) < 0.7
        share = np.clip(random.beta(1, 9, len(index)), 0, 1)
        values = {
            "cer": ((share * length).round(), length),
            "anls": (1 - share, np.ones(len(index))),
            "exact_match": (right.astype(float), np.ones(len(index))),
        }
        tables = [_table(index, documents, types, metric, *values[metric]) for metric in METRICS]
        part = path.with_name(f"{start}.parquet")
        pl.concat(tables).sort("index", maintain_order=True).write_parquet(part)
        parts.append(part)
    pl.scan_parquet(parts).sink_parquet(path, row_group_size=8192)


def _table(
    index: np.ndarray, documents: int, types: int, metric: str, numerator: np.ndarray, denominator: np.ndarray
) -> pl.DataFrame:
    from vhb_evaluator.tables import SCORE_SCHEMA

    text = pl.col("index").cast(pl.String)
    given = {
        "id": text,
        "sample": text,
        "document": (pl.col("index") % documents).cast(pl.String),
        "doc_class": pl.format("class {}", pl.col("index") % CLASSES),
        "question_type": pl.format("type {}", pl.col("index") // CLASSES % types),
        "metric": pl.lit(metric),
        "metric_version": pl.lit("1"),
        "normalisation": pl.lit("text@1"),
        "outcome": pl.lit("answered"),
        "status": pl.lit("scored"),
        "value": pl.col("numerator") / pl.col("denominator"),
        **{f"{case}_{name}": pl.col(name) for case in ("worst", "best") for name in ("numerator", "denominator")},
    }
    table = pl.DataFrame({"index": index, "numerator": numerator, "denominator": denominator})
    table = table.with_columns(expression.alias(name) for name, expression in given.items())
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in SCORE_SCHEMA.items() if name not in table.columns]
    return table.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCORE_SCHEMA.items())


_PROGRAM = """
import resource, sys
from pathlib import Path
import polars as pl
from bench.peak import peak_mib
from vhb_evaluator import aggregation
from vhb_evaluator.tables import write_parquet
path, intervals = Path(sys.argv[1]), sys.argv[2] == "True"
if not intervals:
    nothing = pl.lit(None, dtype=pl.Float64)
    aggregation.with_intervals = lambda rows, *_: rows.with_columns(ci_low=nothing, ci_high=nothing)
write_parquet(aggregation.aggregate_lazily(pl.scan_parquet(path), "r", "m", "t"), path.with_name("metrics.parquet"))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, peak_mib())
"""


def _run(path: Path, *, intervals: bool) -> tuple[float, float]:
    """Seconds of processors, and the most memory in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path), str(intervals)], check=True, capture_output=True, text=True
    )
    seconds, mib = done.stdout.split()
    return float(seconds), float(mib)
