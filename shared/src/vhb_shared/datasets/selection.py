"""Which samples of a pinned data set belong to a run: computed from `RunSpec` alone, the same for every stage."""

from pathlib import Path

import polars as pl

from vhb_shared.contracts.job import Filter
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.records import SAMPLE_SCHEMA


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
    """All samples of a run, in data set order."""
    return select_samples(samples, run.task.filter, run.task.limit)


def shard_samples(samples: Path, run: RunSpec, shard: int) -> pl.DataFrame:
    """The samples of one shard of a run."""
    offset, count = run.shard_range(shard)
    return run_samples(samples, run).slice(offset, count).collect()
