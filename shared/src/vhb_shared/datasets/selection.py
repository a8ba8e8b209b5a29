"""Which rows of a pinned data set belong to a run: computed from `RunSpec` alone, the same for every stage."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from vhb_shared.contracts.job import Filter, TaskEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.datasets.variants import RUN_SCHEMA, variant_counts, with_variants


def select_samples(samples: Path, where: Filter, limit: int | None) -> pl.LazyFrame:
    """Samples that pass the filter, in data set order, at most `limit`.

    Args:
        samples: samples.parquet of the data set (columns: `contracts.results.SAMPLE_COLUMNS`).
        where: both conditions must hold; an empty one always does.
        limit: None for all.
    """
    # Data sets stored by an earlier version lack the newer columns.
    frame = pl.scan_parquet(samples, schema=SAMPLE_SCHEMA, missing_columns="insert", extra_columns="ignore")
    if where.doc_class:
        frame = frame.filter(pl.col("doc_class").is_in(list(where.doc_class)))
    if where.question_type:
        frame = frame.filter(pl.col("question_type").is_in(list(where.question_type)))
    return frame.head(limit) if limit is not None else frame


def run_samples(samples: Path, run: RunSpec) -> pl.LazyFrame:
    """All rows of a run (columns `variants.RUN_SCHEMA`), in data set order; a sample that is asked several times has a
    row for each."""
    return with_variants(_selected(samples, run.task), run.task)


def slice_samples(
    samples: Path, run: RunSpec, offset: int, count: int, columns: Sequence[str] = tuple(RUN_SCHEMA)
) -> pl.DataFrame:
    """Some rows of a run, without making those before them.

    Args:
        samples: samples.parquet of the data set.
        run: the resolved run.
        offset: first row, counted over the whole run.
        count: rows.
        columns: which columns are read.
    """
    selected, task = _selected(samples, run.task), run.task
    if not task.is_repeated:
        return with_variants(selected.slice(offset, count), task).select(columns).collect()
    if task.circular:
        ends = selected.select(variant_counts(task).cum_sum()).collect().to_series()
        first = int(ends.search_sorted(offset, side="right"))
        last = min(int(ends.search_sorted(offset + count, side="left")), len(ends) - 1)
        start = int(ends[first - 1]) if first else 0
    else:
        first, last = offset // task.epochs, (offset + count - 1) // task.epochs
        start = first * task.epochs
    rows = with_variants(selected.slice(first, last - first + 1), task)
    return rows.slice(offset - start, count).select(columns).collect()


def shard_samples(samples: Path, run: RunSpec, shard: int) -> pl.DataFrame:
    """The rows of one shard of a run."""
    return slice_samples(samples, run, *run.shard_range(shard))


def count_rows(selected: pl.LazyFrame, task: TaskEntry) -> int:
    """How many rows a task's samples become."""
    count = variant_counts(task).cast(pl.UInt64).sum() if task.circular else pl.len().cast(pl.UInt64) * task.epochs
    return int(selected.select(count).collect(engine="streaming").item() or 0)


def _selected(samples: Path, task: TaskEntry) -> pl.LazyFrame:
    return select_samples(samples, task.filter, task.limit)
