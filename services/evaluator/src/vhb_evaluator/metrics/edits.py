"""Edit distances of whole columns at once, and the choice among several references."""

from typing import Literal

import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

Unit = Literal["characters", "words"]


def distances(left: pl.Series, right: pl.Series) -> pl.Series:
    """Levenshtein distance (insertions, deletions, substitutions cost 1) of each pair.

    Args:
        left: strings, or lists of strings (then the elements are what is edited).
        right: the same kind, of the same length.
    """
    found = process.cpdist(left.to_list(), right.to_list(), scorer=Levenshtein.distance)
    return pl.Series("edits", found, dtype=pl.Int64)


def words(text: pl.Expr) -> pl.Expr:
    """The text split at white space; an empty text has no words."""
    return text.str.extract_all(r"[^\s\x1c-\x1f]+")


def each_reference(pairs: pl.DataFrame, *extra: pl.Expr) -> pl.DataFrame:
    """One row per sample and reference: `row`, `answer`, `reference` and the extra columns, in the given order."""
    return pairs.select("row", "answer", pl.col("references").alias("reference"), *extra).explode("reference")


def edits_to_nearest(pairs: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """Edits between each answer and its nearest reference, and that reference's length.

    The nearest is the one with the lowest error rate (edits / length; an empty reference counts as 0 for an empty
    answer and 1 else); among equals the longest, then the first given.

    Args:
        pairs: columns `base.PAIR_COLUMNS`.
        unit: what is counted.

    Returns:
        `row`, `edits` (f64), `length` (f64), one row per row of `pairs`.
    """
    frame = each_reference(pairs)
    if unit == "words":
        frame = frame.with_columns(words(pl.col("answer")), words(pl.col("reference")))
        length = pl.col("reference").list.len()
    else:
        length = pl.col("reference").str.len_chars()
    counted = frame.select(
        "row",
        distances(frame["answer"], frame["reference"]).cast(pl.Float64),
        length.cast(pl.Float64).alias("length"),
    )
    return (
        counted.with_columns(error_rate(pl.col("edits"), pl.col("length")).alias("rate"))
        .sort("row", "rate", "length", descending=[False, False, True], maintain_order=True)
        .group_by("row", maintain_order=True)
        .first()
        .select("row", "edits", "length")
    )


def error_rate(edits: pl.Expr, length: pl.Expr) -> pl.Expr:
    """edits / length; over an empty reference 0 when nothing was answered, else 1."""
    return pl.when(length > 0).then(edits / length).when(edits == 0).then(0.0).otherwise(1.0)
