"""Intervals of the values of groups: scores summed by document, then `vhb_shared.statistics`.

Memory does not grow with the number of samples: documents come in parts that fit, and of large groups only sums are
kept. What is computed depends on the scores alone, so that doing it again gives the same bytes.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from vhb_evaluator.composite_intervals import composite_bounds
from vhb_evaluator.metrics.registry import class_from_label, from_label
from vhb_shared.statistics.clusters import Clusters
from vhb_shared.statistics.intervals import FEWEST_FOR_BOOTSTRAP, MOST_FOR_BOOTSTRAP, Floats, seed_of

_PART_ROWS = 100_000
"""Scores held at once, about."""
_MOST_RESAMPLED = 200_000
"""Clusters of all groups that are bootstrapped: bounds the time, for runs with thousands of groups."""
_EXACT = pl.Decimal(38, 18)
_KEYS = ["level", "metric", "group"]
SCHEMA = pl.Schema(
    {"level": pl.String(), "metric": pl.String(), "group": pl.String(), "ci_low": pl.Float64(), "ci_high": pl.Float64()}
)


def with_intervals(values: pl.DataFrame, scores: pl.LazyFrame, groups: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Metric rows with `ci_low` and `ci_high`.

    Args:
        values: `level`, `metric`, `group`, `value`, `n_scored`, in the order in which they are to come back; other
            columns stay.
        scores: what they were made of.
        groups: level -> expression of the group over the columns of `scores`.

    Raises:
        UserError: a metric is not registered here.
    """
    labels = values["metric"].unique(maintain_order=True)
    composite = [label for label in labels if class_from_label(label).composite]
    plain = ~pl.col("metric").is_in(composite)
    found = list(_bounds(values.filter(plain), scores.filter(plain), groups))
    for label in composite:
        found += composite_bounds(scores, label, from_label(label), groups)
    bounds = pl.DataFrame(found, schema=SCHEMA, orient="row")
    return values.join(bounds, on=_KEYS, how="left", maintain_order="left")


def _bounds(
    values: pl.DataFrame, scores: pl.LazyFrame, groups: Mapping[str, pl.Expr]
) -> Iterator[tuple[str, str, str, float, float]]:
    wanted = values.filter(pl.col("value").is_not_null()).select(*_KEYS, "value", "n_scored")
    found = {key: Clusters(value) for *key_, value, _ in wanted.iter_rows() if (key := tuple(key_))}
    one_level = wanted.filter(pl.col("level") == next(iter(groups), ""))
    parts = max(1, -(-int(one_level["n_scored"].sum()) // _PART_ROWS))
    for part in range(parts):
        rows = _part(scores, groups, part, parts)
        for level in groups:
            for key, clusters, samples, right_or_wrong in _clusters(rows, level):
                found[key].add(clusters, samples, right_or_wrong)
    most = _most_bootstrapped([known.clusters for known in found.values()])
    for (level, metric, group), known in found.items():
        interval = known.interval(seed_of("interval", level, group), most)
        if interval is not None:
            yield level, metric, group, *interval


def _most_bootstrapped(clusters: list[int]) -> int:
    """The most clusters of a group that is bootstrapped: halved until all such groups together are few enough."""
    most = MOST_FOR_BOOTSTRAP
    while most > FEWEST_FOR_BOOTSTRAP and sum(count for count in clusters if count <= most) > _MOST_RESAMPLED:
        most //= 2
    return most


def _part(scores: pl.LazyFrame, groups: Mapping[str, pl.Expr], part: int, parts: int) -> pl.DataFrame:
    """The scored rows of some documents; the column of a level holds its group."""
    cluster = pl.col("document").hash(seed=0)
    mine = (cluster % parts == part) if parts > 1 else pl.lit(True)
    return (
        scores.filter(mine & pl.col("status").is_in(["scored", "unparsable"]))
        .select(
            "metric",
            *(group.alias(level) for level, group in groups.items()),
            cluster.alias("cluster"),
            "index",
            "numerator",
            "denominator",
        )
        .collect(engine="streaming")
    )


def _clusters(rows: pl.DataFrame, level: str) -> Iterator[tuple[tuple[str, ...], Floats, int, bool]]:
    """Key, clusters, number of samples, and whether all are right or wrong, for each group of a level."""
    right_or_wrong = (pl.col("denominator") == 1) & pl.col("numerator").is_in([0.0, 1.0])
    table = (
        rows.group_by("metric", pl.col(level).alias("group"), "cluster")
        .agg(
            pl.col("index").min().cast(pl.Float64).alias("order"),
            *(pl.col(name).cast(_EXACT).sum().cast(pl.Float64) for name in ("numerator", "denominator")),
            pl.len().alias("samples"),
            right_or_wrong.all().alias("right_or_wrong"),
        )
        .sort("metric", "group", "order")
    )
    values = table.select("order", "numerator", "denominator").to_numpy()
    start = 0
    for metric, group, count, samples, binary in (
        table.group_by("metric", "group", maintain_order=True)
        .agg(pl.len(), pl.col("samples").sum(), pl.col("right_or_wrong").all())
        .iter_rows()
    ):
        yield (level, metric, group), values[start : start + count], samples, binary
        start += count
