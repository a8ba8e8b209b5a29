"""How much of a table of answers was re-used."""

import polars as pl

from vhb_shared.contracts.results import MAX_REUSED_JOBS, Reused


def count_reused(answers: pl.LazyFrame) -> Reused:
    """How many answers of a table were got by earlier jobs. Blocks.

    Args:
        answers: column `reused_from`, ids of runs.
    """
    jobs = (
        answers.select(pl.col("reused_from").drop_nulls().str.replace(r"-\d+$", "").alias("job"))
        .group_by("job")
        .len()
        .sort(["len", "job"], descending=[True, False])
        .collect(engine="streaming")
    )
    return Reused(count=int(jobs["len"].sum()), jobs=tuple(jobs["job"].head(MAX_REUSED_JOBS)))
