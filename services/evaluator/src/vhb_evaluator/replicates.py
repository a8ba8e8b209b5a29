"""replicates.parquet: values of composite metrics under resamples that are the same for every run."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from vhb_evaluator.composite_intervals import statistic_of, sums_by_block, wide_sums
from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.registry import class_from_label, from_label
from vhb_shared.contracts.results import REPLICATE_COLUMNS
from vhb_shared.statistics.intervals import RESAMPLES, Floats, Statistic
from vhb_shared.statistics.replicates import WEIGHTING, block_of, block_weights, rounded_replicates

MOST_GROUPS = 100
"""Levels with more groups are left out: a group is 8 KB and some milliseconds."""
_CELLS = 1 << 21
"""Numbers held at once while resampling."""
_COMPARED = {"general": "general", "by_doc_type": "doc_class", "by_question_type": "question_type"}
"""Level of metric rows -> what comparisons call it; columns of the data set keep their name."""
_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(REPLICATE_COLUMNS, pl.String()),
        **dict.fromkeys(("value", "value_if_failed_worst", "value_if_failed_best"), pl.Float64()),
        "replicates": pl.List(pl.Float32()),
    }
)


def replicates(
    scores: pl.LazyFrame, metrics: pl.LazyFrame, groups: Mapping[str, pl.Expr], columns: Sequence[str]
) -> pl.DataFrame | None:
    """What composite metrics of a run are compared by; None where it has none. Blocks.

    Args:
        scores: columns `SCORE_COLUMNS` and `columns`.
        metrics: metric rows of the run, with labels.
        groups: level -> expression of the group over the columns of `scores`.
        columns: further columns of the scores, each a level of that name.

    Returns:
        Columns `REPLICATE_COLUMNS`: all samples, then the levels that runs are compared by, of at most `MOST_GROUPS`
        groups each.

    Raises:
        UserError: a metric is not registered here.
    """
    general = metrics.filter(pl.col("level") == "general").select("metric").collect(engine="streaming")
    composite = [label for label in general["metric"].unique().sort() if class_from_label(label).composite]
    if not composite:
        return None
    levels = _COMPARED | {name: name for name in columns}
    wanted = pl.col("metric").is_in(composite) & pl.col("level").is_in(list(levels)) & pl.col("value").is_not_null()
    rows = metrics.filter(wanted).collect(engine="streaming")
    weights = block_weights()
    found = []
    for (label, level), part in rows.group_by("metric", "level", maintain_order=True):
        if part.height > MOST_GROUPS:
            continue
        mine = scores.filter((pl.col("metric") == label) & pl.col("detail").is_not_null())
        drawn = dict(_drawn(mine, from_label(str(label)), groups[str(level)], weights))
        own = part.filter(pl.col("group").is_in(list(drawn))).with_columns(
            pl.lit(levels[str(level)]).alias("level"), pl.lit(WEIGHTING).alias("weighting")
        )
        values = pl.Series("replicates", [drawn[group] for group in own["group"]], dtype=_SCHEMA["replicates"])
        found.append(own.with_columns(values).select(*_SCHEMA))
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *found])


def _drawn(
    scores: pl.LazyFrame, metric: Metric, group: pl.Expr, weights: Floats
) -> Iterator[tuple[str, list[float | None]]]:
    sums = sums_by_block(scores, metric, group, block_of(pl.col("document")))
    for (name,), rows in sums.group_by("group", maintain_order=True):
        wide = wide_sums(rows)
        matrix = wide.drop("block").to_numpy().astype(np.float64)
        values = _resampled(weights[:, wide["block"].to_numpy()], matrix, statistic_of(metric, wide.columns[1:]))
        kept = rounded_replicates(values)
        yield str(name), [float(each) if np.isfinite(each) else None for each in kept]


def _resampled(weights: Floats, sums: Floats, statistic: Statistic) -> Floats:
    """Values under each row of weights; where nothing was drawn there is none."""
    step = max(1, _CELLS // max(1, sums.shape[1]))
    values = np.concatenate([statistic(weights[start : start + step] @ sums) for start in range(0, RESAMPLES, step)])
    return np.where(weights.sum(axis=1) > 0, values, np.nan)
