"""From scores to metric rows: values of groups, with honest denominators and bounds."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl

from vhb_evaluator.composite import with_composite_values, with_ordered_bounds
from vhb_evaluator.intervals import with_intervals
from vhb_evaluator.metrics.registry import class_from_label, higher_is_better
from vhb_evaluator.repeated import epoch_spread, repeats
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


def level_groups(columns: Sequence[str] = ()) -> dict[str, pl.Expr]:
    """Level -> expression of the group over the columns of scores, for all levels but `by_id`.

    Args:
        columns: further columns of the scores, each a level of that name.
    """
    return {**_GROUPS, **{name: _or_none(name) for name in columns}}


def aggregate(
    scores: pl.DataFrame,
    run_name: str,
    model: str,
    task: str,
    columns: Sequence[str] = (),
    thresholds: Mapping[str, float] = MappingProxyType({}),
) -> pl.DataFrame:
    """All metric rows of a run, those of samples that were asked several times included; see `aggregate_lazily` and
    `repeated`."""
    found = list(repeats(scores.lazy(), level_groups(columns), tuple(columns), thresholds))
    everything = pl.concat([scores, *(each.scores for each in found)], how="diagonal")
    epochs = [each.epochs for each in found]
    return aggregate_lazily(everything.lazy(), run_name, model, task, columns, epochs).collect()


def aggregate_lazily(
    scores: pl.LazyFrame,
    run_name: str,
    model: str,
    task: str,
    columns: Sequence[str] = (),
    epochs: Sequence[pl.DataFrame] = (),
) -> pl.LazyFrame:
    """Metric rows of all levels of a run. Blocks: all but the level `by_id` is computed before this returns.

    value = sum(numerator) / sum(denominator) over the scored samples: the pooled value of a pooled metric, the mean
    of any other (its denominators are 1). `n` counts all samples of the group, `n_scored` those in the value,
    `n_failed` those failed or withdrawn; the rest had no reference. `value_if_failed_worst` and `..._best` take the
    failed ones in as an empty and as a perfect answer, and are never on the wrong side of the value; samples without
    reference stay out. A group in which nothing was scored has no value. `ci_low` and `ci_high` are the interval of the
    value (`intervals`), not in `by_id`.

    Args:
        scores: columns `SCORE_COLUMNS` and `columns`, ordered by index, then metric.
        run_name: of the run.
        model: its model's name.
        task: its task's name.
        columns: further columns of the scores, each a level of that name.
        epochs: `Repeats.epochs`, where samples were asked several times.

    Returns:
        Columns `METRIC_COLUMNS`: levels as in `LEVELS`, `columns` before `by_id`; within one, metrics in the order of
        the scores, then groups by name; within `by_id` as in the scores.
    """
    groups = level_groups(columns)
    used = scores.select(*_USED, *columns)
    # An id names one sample, so that level needs no grouping, and its rows, as many as samples, can stream through.
    by_id = used.select(*_KEYS, pl.lit(BY_ID).alias("level"), pl.col("id").alias("group"), *_measures(single=True))
    levels = pl.concat(
        [_values(_level(used, level, group)).collect(engine="streaming") for level, group in groups.items()]
    )
    composed = with_composite_values(levels.lazy(), scores, groups).select(levels.columns).collect()
    grouped = with_intervals(with_ordered_bounds(composed), scores, groups)
    if epochs:
        order = pl.col("level").replace_strict(list(groups), range(len(groups)))
        grouped = pl.concat([grouped, epoch_spread(epochs)], how="diagonal").sort(order, maintain_order=True)
    nothing = pl.lit(None, dtype=pl.Float64)
    rows = pl.concat(
        [
            grouped.lazy(),
            _values(by_id).with_columns(nothing.alias("ci_low"), nothing.alias("ci_high")),
        ]
    )
    names = {"run": run_name, "model": model, "task": task}
    return rows.with_columns(pl.lit(text).alias(name) for name, text in names.items()).select(typed(METRIC_SCHEMA))


def _values(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with values in place of sums."""
    ratios = (("value", ""), ("value_if_failed_worst", "worst_"), ("value_if_failed_best", "best_"))
    return rows.select(
        *_KEYS,
        "level",
        "group",
        "n",
        "n_scored",
        "n_failed",
        *(ratio(pl.col(f"{case}numerator"), pl.col(f"{case}denominator")).alias(name) for name, case in ratios),
    )


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
            composite=class_from_label(row["metric"]).composite,
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
