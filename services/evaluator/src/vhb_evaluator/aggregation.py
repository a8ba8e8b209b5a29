"""From scores to metric rows: values of groups, with honest denominators and bounds."""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from vhb_evaluator.composite import with_composite_values
from vhb_evaluator.metrics.registry import higher_is_better
from vhb_evaluator.scoring import ratio
from vhb_evaluator.tables import METRIC_SCHEMA, typed
from vhb_shared.contracts.results import MetricValue

NO_GROUP = "(none)"
"""Stands for a missing class or question type, so that the groups of a level always add up to all samples."""

GENERAL = "general"


def _or_none(column: str) -> pl.Expr:
    return pl.col(column).fill_null(NO_GROUP)


_GROUPS: Mapping[str, pl.Expr] = MappingProxyType(
    {
        GENERAL: pl.lit("all"),
        "by_doc_type": _or_none("doc_class"),
        "by_question_type": _or_none("question_type"),
        "by_doc_question": pl.concat_str(_or_none("doc_class"), pl.lit(" "), _or_none("question_type")),
    }
)
BY_ID = "by_id"
LEVELS: tuple[str, ...] = (*_GROUPS, BY_ID)
"""Every level, in the order of metrics.csv."""

_KEYS = ("metric", "metric_version", "normalisation")
_USED = (*_KEYS, "id", "doc_class", "question_type", "status", "numerator", "denominator",
         "worst_numerator", "worst_denominator", "best_numerator", "best_denominator")  # fmt: skip
_EXACT = pl.Decimal(38, 18)
"""Sums of floats depend on their order, and threads add in any order; decimals give the same result every time."""
_FAILED = pl.col("status").is_in(["failed", "withdrawn"])
_SCORED = pl.col("status").is_in(["scored", "unparsable"])


def aggregate(scores: pl.DataFrame, run_name: str, model: str, task: str) -> pl.DataFrame:
    """All metric rows of a run; see `aggregate_lazily`."""
    return aggregate_lazily(scores.lazy(), run_name, model, task).collect()


def aggregate_lazily(scores: pl.LazyFrame, run_name: str, model: str, task: str) -> pl.LazyFrame:
    """Metric rows of all levels of a run.

    value = sum(numerator) / sum(denominator) over the scored samples: the pooled value of a pooled metric, the mean
    of any other (its denominators are 1). `n` counts all samples of the group, `n_scored` those in the value,
    `n_failed` those failed or withdrawn; the rest had no reference. `value_if_failed_worst` and `..._best` take the
    failed ones in as an empty and as a perfect answer; samples without reference stay out. A group in which nothing
    was scored has no value. Intervals are not computed yet.

    Args:
        scores: columns `SCORE_COLUMNS`, ordered by index, then metric.
        run_name: of the run.
        model: its model's name.
        task: its task's name.

    Returns:
        Columns `METRIC_COLUMNS`: levels as in `LEVELS`; within one, metrics in the order of the scores, then groups by
        name; within `by_id` as in the scores.
    """
    used = scores.select(_USED)
    levels = [_level(used, level, group) for level, group in _GROUPS.items()]
    # An id names one sample, so that level needs no grouping, and its rows, as many as samples, can stream through.
    levels.append(
        used.select(*_KEYS, pl.lit(BY_ID).alias("level"), pl.col("id").alias("group"), *_measures(single=True))
    )
    rows = pl.concat(levels).select(
        pl.lit(run_name).alias("run"),
        pl.lit(model).alias("model"),
        pl.lit(task).alias("task"),
        *_KEYS,
        "level",
        "group",
        ratio(pl.col("numerator"), pl.col("denominator")).alias("value"),
        pl.lit(None, dtype=pl.Float64).alias("ci_low"),
        pl.lit(None, dtype=pl.Float64).alias("ci_high"),
        "n",
        "n_scored",
        "n_failed",
        ratio(pl.col("worst_numerator"), pl.col("worst_denominator")).alias("value_if_failed_worst"),
        ratio(pl.col("best_numerator"), pl.col("best_denominator")).alias("value_if_failed_best"),
    )  # fmt: skip
    return with_composite_values(rows, scores, _GROUPS).select(typed(METRIC_SCHEMA))


def headlines(metrics: pl.DataFrame) -> tuple[MetricValue, ...]:
    """The metric rows of level `general` as events carry them.

    Raises:
        UserError: a metric is not registered here.
    """
    rows = metrics.filter(pl.col("level") == GENERAL)
    return tuple(
        MetricValue(
            metric=row["metric"],
            value=row["value"],
            n=row["n"],
            n_scored=row["n_scored"],
            n_failed=row["n_failed"],
            value_if_failed_worst=row["value_if_failed_worst"],
            value_if_failed_best=row["value_if_failed_best"],
            higher_is_better=higher_is_better(row["metric"]),
        )
        for row in rows.iter_rows(named=True)
    )


def _level(used: pl.LazyFrame, level: str, group: pl.Expr) -> pl.LazyFrame:
    return (
        used.with_columns(group.alias("group"))
        .with_row_index("place")
        .group_by(*_KEYS, "group")
        .agg(pl.col("place").min(), *_measures(single=False))
        # The first row of a metric anywhere gives its place among the metrics.
        .sort(pl.col("place").min().over("metric"), "group")
        .select(*_KEYS, pl.lit(level).alias("level"), "group", *_MEASURES)
    )


_MEASURES = ("numerator", "denominator", "worst_numerator", "worst_denominator", "best_numerator", "best_denominator",
             "n", "n_scored", "n_failed")  # fmt: skip


def _measures(*, single: bool) -> list[pl.Expr]:
    """The columns `_MEASURES`, of a group or of each row alone. A sum over nothing is null, not 0."""
    sums = []
    for name in _MEASURES[:6]:
        column = pl.col(name)
        if not single:
            column = pl.when(column.count() > 0).then(column.cast(_EXACT).sum().cast(pl.Float64))
        sums.append(column.alias(name))
    counts = [("n", pl.lit(1)), ("n_scored", _SCORED.cast(pl.Int64)), ("n_failed", _FAILED.cast(pl.Int64))]
    if single:
        return [*sums, *(count.cast(pl.Int64).alias(name) for name, count in counts)]
    return [*sums, pl.len().cast(pl.Int64).alias("n"), *(count.sum().alias(name) for name, count in counts[1:])]
