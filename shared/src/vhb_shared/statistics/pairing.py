"""Pairs the scores of two runs by sample, for one metric."""

from typing import NamedTuple

import numpy as np
import polars as pl

from vhb_shared.statistics.intervals import Floats

SIDES = ("a", "b")
_CASES = ("", "worst_", "best_")
_SCORED = pl.col("status").is_in(["scored", "unparsable"])
_FAILED = pl.col("status").is_in(["failed", "withdrawn"])


def paired(a: pl.LazyFrame, b: pl.LazyFrame, metric: str, by: str | None) -> pl.DataFrame:
    """One row per sample of either run, ordered by document and sample.

    A sample that was asked several times counts once, with the means of its numerators and denominators.

    Args:
        a: scores of the first run (`SCORE_COLUMNS`).
        b: of the second.
        metric: its label.
        by: a column of both, or None.

    Returns:
        `sample`, `document`, `group`, and for each side `<side>_numerator`, `<side>_denominator` (null when not
        scored), the same with `worst_` and `best_`, `<side>_failed`, `<side>_asked`.
    """
    left, right = (_one_side(table, metric, by, side) for table, side in zip((a, b), SIDES, strict=True))
    joined = left.join(right, on="sample", how="full", coalesce=True)
    return (
        joined.with_columns(
            *(pl.coalesce(f"a_{name}", f"b_{name}").alias(name) for name in ("document", "group")),
            *(pl.col(f"{side}_{name}").fill_null(False) for side in SIDES for name in ("failed", "asked")),
        )
        .drop(f"{side}_{name}" for side in SIDES for name in ("document", "group"))
        .sort("document", "sample")
        .collect()
    )


def _one_side(table: pl.LazyFrame, metric: str, by: str | None, side: str) -> pl.LazyFrame:
    columns = table.collect_schema().names()
    # Scores of an earlier version lack these.
    sample = pl.col("sample") if "sample" in columns else pl.col("id")
    document = pl.col("document") if "document" in columns else pl.col("id")
    group = pl.col(by).cast(pl.String).fill_null("(none)") if by is not None else pl.lit("all")
    values = [f"{case}{name}" for case in _CASES for name in ("numerator", "denominator")]
    # Rows of one sample lie near each other; their mean in the order of the file is the same every time.
    return (
        table.filter(pl.col("metric") == metric)
        .select(
            sample.alias("sample"),
            document.fill_null(sample).alias("document"),
            group.alias("group"),
            _SCORED.alias("scored"),
            _FAILED.alias("failed"),
            *(pl.when(_SCORED).then(pl.col(name)).alias(name) for name in values[:2]),
            *values[2:],
        )
        .group_by("sample", maintain_order=True)
        .agg(
            pl.col("document").first().alias(f"{side}_document"),
            pl.col("group").first().alias(f"{side}_group"),
            *(pl.col(name).mean().alias(f"{side}_{name}") for name in values),
            pl.col("failed").any().alias(f"{side}_failed"),
            pl.lit(True).alias(f"{side}_asked"),
        )
    )


class Sums(NamedTuple):
    """Of paired samples, by document."""

    clusters: Floats
    """Shape (documents, 4): numerator and denominator of the first, then of the second side."""
    samples: Floats
    """The same of each sample."""


def sums(pairs: pl.DataFrame, first: str = "", second: str = "") -> Sums:
    """Sums of what both sides have a value for.

    Args:
        pairs: of `paired`, in its order.
        first: `worst_` or `best_` instead of what the first side really scored.
        second: of the second side.
    """
    names = [f"a_{first}numerator", f"a_{first}denominator", f"b_{second}numerator", f"b_{second}denominator"]
    both = pairs.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in names))
    values = both.select(names).to_numpy().astype(np.float64).reshape(-1, 4)
    if both.is_empty():
        return Sums(values, values)
    document = both["document"]
    starts = np.flatnonzero((document != document.shift(1)).fill_null(True).to_numpy())
    return Sums(np.add.reduceat(values, starts, axis=0), values)
