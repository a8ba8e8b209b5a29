"""Intervals of composite metrics: their statistics summed by document, resampled, and made into values again."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_shared.statistics.intervals import Floats, Interval, Statistic, cluster_interval, seed_of

BLOCKS = 200
"""Documents of larger groups are dealt out to so many blocks, which are resampled in their place."""
_EXACT = pl.Decimal(38, 18)
_KEYS = ["group", "block", "name"]


def composite_bounds(
    scores: pl.LazyFrame, label: str, metric: Metric, groups: Mapping[str, pl.Expr]
) -> Iterator[tuple[str, str, str, float, float]]:
    """Level, label, group and both bounds, for each group that has an interval.

    Args:
        scores: columns `SCORE_COLUMNS`.
        label: of the metric.
        metric: a composite one.
        groups: level -> expression of the group over the columns of `scores`.
    """
    mine = scores.filter((pl.col("metric") == label) & pl.col("detail").is_not_null())
    for level, group in groups.items():
        rows = _with_blocks(mine, group)
        sums = sums_by_block(rows, metric, pl.col("own_group"), pl.col("block"))
        for (name,), part in sums.group_by("group", maintain_order=True):
            found = _interval(part, metric, seed_of("interval", level, str(name)))
            if found is not None:
                yield level, label, str(name), *found


def _with_blocks(scores: pl.LazyFrame, group: pl.Expr) -> pl.LazyFrame:
    rows = scores.select(group.alias("own_group"), pl.col("document").hash(seed=0).alias("cluster"), "detail")
    documents = rows.group_by("own_group").agg(pl.col("cluster").n_unique().alias("documents"))
    block = pl.when(pl.col("documents") > BLOCKS).then(pl.col("cluster") % BLOCKS).otherwise("cluster")
    return rows.join(documents, on="own_group").with_columns(block.alias("block"))


def sums_by_block(scores: pl.LazyFrame, metric: Metric, group: pl.Expr, block: pl.Expr) -> pl.DataFrame:
    """Columns group, block, name and amount, ordered by the first three.

    Args:
        scores: columns `SCORE_COLUMNS`, of samples with a detail.
        metric: a composite one.
        group: over the columns of `scores`.
        block: the same; what is resampled together.
    """
    return (
        scores.select(
            group.alias("group"), block.alias("block"), metric.statistics(pl.col("detail")).alias("statistics")
        )
        .explode("statistics")
        .unnest("statistics")
        .filter(pl.col("name").is_not_null())
        .group_by(_KEYS)
        .agg(pl.col("amount").cast(_EXACT).sum().cast(pl.Float64))
        .collect(engine="streaming")
        .sort(_KEYS)
    )


def wide_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per block of a group, ordered by block: `block`, and one f64 column per name."""
    return rows.pivot("name", index="block", values="amount").with_columns(pl.exclude("block").fill_null(0.0))


def _interval(rows: pl.DataFrame, metric: Metric, seed: int) -> Interval | None:
    wide = wide_sums(rows).drop("block")
    if wide.height < 2:
        return None
    found = cluster_interval(wide.to_numpy().astype(np.float64), statistic_of(metric, wide.columns), seed)
    return found if found is not None and np.isfinite(found).all() else None


def statistic_of(metric: Metric, names: list[str]) -> Statistic:
    """The metric's value as a function of sums, columns in the order of `names`; NaN where there is none."""

    def values(sums: Floats) -> Floats:
        table = pl.DataFrame(sums, schema=dict.fromkeys(names, pl.Float64), orient="row")
        return metric.group_values(table).cast(pl.Float64).fill_null(float("nan")).to_numpy()

    return values
