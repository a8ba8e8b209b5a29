"""Values of groups for metrics that are no ratio of two sums: macro F1, BLEU and the like.

Such a metric says of each sample what adds up (`Metric.statistics`), and makes a value of the sums
(`Metric.group_values`). Only the sums are held in memory: a few numbers for each group.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.registry import class_from_label, from_label, higher_is_better

_CASES = ("value", "value_if_failed_worst", "value_if_failed_best")
_FAILED_AS = {"value_if_failed_worst": "worst_detail", "value_if_failed_best": "best_detail"}
_KEYS = ("metric", "level", "group")
_EXACT = pl.Decimal(38, 18)
"""As in `aggregation`: sums that do not depend on the order of threads."""


def with_composite_values(rows: pl.LazyFrame, scores: pl.LazyFrame, groups: Mapping[str, pl.Expr]) -> pl.LazyFrame:
    """Metric rows in which composite metrics have the values of their groups.

    The bounds take failed samples in as an empty and as a perfect answer.

    Args:
        rows: with the columns metric, level, group, value and both bounds.
        scores: columns `SCORE_COLUMNS`.
        groups: level -> expression of the group over the columns of `scores`; other levels stay as they are.

    Raises:
        UserError: a metric is not registered here.
    """
    labels = scores.select("metric").unique().collect(engine="streaming")["metric"].sort()
    composite = [label for label in labels if class_from_label(label).composite]
    if not composite:
        return rows
    tables = [
        _level(scores.filter(pl.col("metric") == label), from_label(label), group).select(
            pl.lit(label).alias("metric"), pl.lit(level).alias("level"), "group", *_CASES
        )
        for label in composite
        for level, group in groups.items()
    ]
    computed = pl.col("metric").is_in(composite) & pl.col("level").is_in(list(groups))
    return rows.join(
        pl.concat(tables).lazy(), on=list(_KEYS), how="left", suffix="_composite", maintain_order="left"
    ).with_columns(
        pl.when(computed).then(pl.col(f"{case}_composite")).otherwise(case).alias(case) for case in _CASES
    )  # fmt: skip


def with_ordered_bounds(rows: pl.DataFrame) -> pl.DataFrame:
    """Metric rows in which no bound is on the wrong side of the value.

    An empty answer is not always the worst: a long wrong one has an error rate above 1, and a weighted mean of classes
    may rise when a class that does well gains a wrong answer. Such a bound is moved to the value.

    Args:
        rows: with the columns metric, value and both bounds.

    Raises:
        UserError: a metric is not registered here.
    """
    falling = [label for label in rows["metric"].unique() if not higher_is_better(label)]
    lower_is_better = pl.col("metric").is_in(falling)
    value, worst, best = (pl.col(case) for case in _CASES)
    given = worst.is_not_null()
    low, high = pl.min_horizontal, pl.max_horizontal
    return rows.with_columns(
        pl.when(given & lower_is_better).then(high(worst, value)).when(given).then(low(worst, value)).alias(_CASES[1]),
        pl.when(given & lower_is_better).then(low(best, value)).when(given).then(high(best, value)).alias(_CASES[2]),
    )


def sums(statistics: pl.LazyFrame, by: Iterable[str]) -> pl.DataFrame:
    """Statistics added up: the columns of `by`, and one f64 column per name of a statistic, 0 where it did not occur.

    Args:
        statistics: the columns of `by`, and `statistics` as `Metric.statistics` gives them.
        by: what to group by.
    """
    keys = list(by)
    long = (
        statistics.select(*keys, "statistics")
        .explode("statistics")
        .unnest("statistics")
        .filter(pl.col("name").is_not_null())
        .group_by(*keys, "name")
        .agg(pl.col("amount").cast(_EXACT).sum().cast(pl.Float64))
        .collect(engine="streaming")
    )
    return _wide(long, keys)


def _wide(long: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    if long.is_empty():
        return long.select(keys)
    return long.sort(*keys, "name").pivot("name", index=keys, values="amount").with_columns(
        pl.exclude(keys).fill_null(0.0)
    )  # fmt: skip


def _level(scores: pl.LazyFrame, metric: Metric, group: pl.Expr) -> pl.DataFrame:
    """`group` and the three values, for each group with a scored or failed sample."""
    own = scores.select(group.alias("group"), pl.lit(list(_CASES)).alias("case"), "detail").explode("case")
    failed = [
        scores.select(group.alias("group"), pl.lit(case).alias("case"), pl.col(column).alias("detail"))
        for case, column in _FAILED_AS.items()
    ]
    details = pl.concat([own, *failed]).filter(pl.col("detail").is_not_null())
    table = sums(details.with_columns(statistics=metric.statistics(pl.col("detail"))), ("group", "case"))
    empty = pl.DataFrame(schema={"group": pl.String(), **dict.fromkeys(_CASES, pl.Float64())})
    if table.is_empty():
        return empty
    values = table.select("group", "case", metric.group_values(table.drop("group", "case")).alias("value"))
    return pl.concat([empty, values.pivot("case", index="group", values="value")], how="diagonal")
