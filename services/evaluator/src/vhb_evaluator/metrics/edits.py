"""Edit distances of whole columns at once, and the choice among several references."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import LCSseq, Levenshtein

from vhb_evaluator.white_space import SPACE

Unit = Literal["characters", "words"]
_Counts = npt.NDArray[np.int64]

_CHUNK_ROWS = 65_536
_CHUNK_WORDS = 1_000_000
"""A word stands for a character, of which there are 1.1 million; a pair of texts has 1 million words at most."""
_SURROGATES = range(0xD800, 0xE000)
"""Code points that are no characters."""


def distances(left: pl.Series, right: pl.Series) -> pl.Series:
    """Levenshtein distance (insertions, deletions, substitutions cost 1) of each pair.

    Args:
        left: strings, or lists of strings (then the elements are what is edited).
        right: the same kind, of the same length.
    """
    return _where_they_differ(left, right, lambda one, other: _of_pairs(one, other, Levenshtein.distance))


def word_distances(left: pl.Series, right: pl.Series) -> pl.Series:
    """Levenshtein distance of the words of each pair of texts."""
    return _where_they_differ(left, right, lambda one, other: _of_pairs(words(one), words(other), Levenshtein.distance))


def common(left: pl.Series, right: pl.Series) -> pl.Series:
    """Length of the longest common subsequence of each pair; as `distances`."""
    return pl.Series("common", _of_pairs(left, right, LCSseq.similarity))


def _where_they_differ(
    left: pl.Series, right: pl.Series, distance: Callable[[pl.Series, pl.Series], _Counts]
) -> pl.Series:
    # Most answers of a good model are right: only the others leave the native columns.
    differ = left.ne_missing(right).arg_true()
    edits = np.zeros(len(left), dtype=np.int64)
    edits[differ.to_numpy()] = distance(left.gather(differ), right.gather(differ))
    return pl.Series("edits", edits)


def _of_pairs(left: pl.Series, right: pl.Series, scorer: Any) -> _Counts:
    lists = left.dtype == pl.List
    found = [np.zeros(0, dtype=np.int64)]
    for start, count in _chunks(left, right) if lists else _even_chunks(len(left)):
        pair = (side.slice(start, count) for side in (left, right))
        texts = _coded(*pair) if lists else tuple(side.to_list() for side in pair)
        workers = pl.thread_pool_size() if count > 1 else 1
        found.append(process.cpdist(*texts, scorer=scorer, workers=workers).astype(np.int64))
    return np.concatenate(found)


def _even_chunks(rows: int) -> Iterator[tuple[int, int]]:
    return ((start, min(_CHUNK_ROWS, rows - start)) for start in range(0, rows, _CHUNK_ROWS))


def _chunks(left: pl.Series, right: pl.Series) -> Iterator[tuple[int, int]]:
    """(first row, rows), each with at most `_CHUNK_WORDS` words, or of one row."""
    total = (left.list.len().cast(pl.Int64) + right.list.len().cast(pl.Int64)).cum_sum().to_numpy()
    start = 0
    while start < len(left):
        before = int(total[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(total, before + _CHUNK_WORDS, side="right")))
        yield start, end - start
        start = end


def _coded(left: pl.Series, right: pl.Series) -> tuple[list[str], list[str]]:
    """Both sides with a character for each distinct word, which is compared far faster than a word."""
    lists = pl.concat([left, right])
    kinds = pl.Categorical(pl.Categories.random())  # of its own, so that nothing of it stays
    codes = lists.explode().drop_nulls().cast(kinds).to_physical().to_numpy().astype("<u4")
    codes[codes >= _SURROGATES.start] += len(_SURROGATES)
    text = codes.tobytes().decode("utf-32-le")
    ends = lists.list.len().cum_sum().to_list()
    texts = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return texts[: len(left)], texts[len(left) :]


def words(texts: pl.Series) -> pl.Series:
    """The texts split at white space; an empty text has no words."""
    if _evenly_spaced(texts):
        return (
            texts.to_frame("text")
            .select(
                pl.when(pl.col("text") == "")
                .then(pl.lit([], dtype=pl.List(pl.String)))
                .otherwise(pl.col("text").str.split(" "))
            )
            .to_series()
        )
    return texts.str.extract_all(_WORD)


def word_counts(texts: pl.Series) -> pl.Series:
    """How many words each text has."""
    if _evenly_spaced(texts):
        return texts.str.count_matches(" ", literal=True) + (texts != "")
    return texts.str.count_matches(_WORD)


_WORD = f"[^{SPACE}]+"
_UNEVEN = r"[^\S ]|[\x1c-\x1f]|  |^ | $"


def _evenly_spaced(texts: pl.Series) -> bool:
    """Whether words are what single spaces separate, as after most normalisations: then they are found far faster."""
    return not texts.str.contains(_UNEVEN).any()


def each_reference(pairs: pl.DataFrame, *extra: pl.Expr) -> pl.DataFrame:
    """One row per sample and reference: `row`, `answer`, `reference` and the extra columns, in the given order."""
    return pairs.select("row", "answer", pl.col("references").alias("reference"), *extra).explode("reference")


def best_reference(each: pl.DataFrame) -> pl.DataFrame:
    """What a metric returns that counts the best of the references: `row`, `numerator`, `denominator` (1).

    Args:
        each: `row` and `numerator` of each sample and reference, as `each_reference` orders them.
    """
    return each.group_by("row", maintain_order=True).max().with_columns(pl.lit(1.0).alias("denominator"))


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
    answer, reference = frame["answer"], frame["reference"]
    edits = word_distances(answer, reference) if unit == "words" else distances(answer, reference)
    length = word_counts(reference) if unit == "words" else reference.str.len_chars()
    counted = frame.select("row", edits.cast(pl.Float64), length.cast(pl.Float64).alias("length"))
    if counted.height == pairs.height:  # one reference each, as most data sets have: nothing to choose from
        return counted
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
