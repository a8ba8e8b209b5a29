"""Two runs by a metric that is no sum over samples (macro F1, BLEU): the values of both under the same resamples.

Documents are dealt out to blocks by their name. A replicate is the metric's value with each block counted as often as
it was drawn; the draws are the same for every run, so that the difference of two runs' replicates is a paired
bootstrap of the difference.
"""

import zlib
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vhb_shared.statistics.intervals import FEWEST_FOR_BOOTSTRAP, RESAMPLES, Floats, bias_corrected

BLOCKS = 512
"""Documents that share a block are resampled together. A power of 2: see `block_weights`."""
WEIGHTING = f"{RESAMPLES} draws of {BLOCKS} blocks@1"
"""Names how documents are dealt out and drawn; replicates of another weighting are no pairs of these."""
_SEED = 20_240_601
_Unready = Literal["evaluate", "asked"]


def block_of(document: pl.Expr) -> pl.Expr:
    """The block of each document (u16). Depends on the name alone: Polars' own hash changes between versions."""
    return document.map_batches(_blocks, return_dtype=pl.UInt16, is_elementwise=True)


def _blocks(documents: pl.Series) -> pl.Series:
    found = [zlib.crc32((name or "").encode("utf-8", "surrogatepass")) % BLOCKS for name in documents]
    return pl.Series(documents.name, found, dtype=pl.UInt16)


def block_weights() -> Floats:
    """How often each block was drawn, shape (RESAMPLES, BLOCKS); the same numbers everywhere and always."""
    # Raw bits, for NumPy promises the same stream in every version for these only.
    raw = np.random.PCG64(_SEED).random_raw(RESAMPLES * BLOCKS) % BLOCKS
    places = raw.astype(np.int64) + np.repeat(np.arange(RESAMPLES, dtype=np.int64) * BLOCKS, BLOCKS)
    return np.bincount(places, minlength=RESAMPLES * BLOCKS).reshape(RESAMPLES, BLOCKS).astype(np.float64)


class Replicated(NamedTuple):
    """A group of one run."""

    value: float
    worst: float | None
    """Failed samples taken in as empty answers; None where that is not known."""
    best: float | None
    replicates: Floats
    """Shape (RESAMPLES,); NaN where a resample has no value."""


def replicated(table: pl.LazyFrame, metric: str, level: str) -> dict[str, Replicated]:
    """Group -> values, of those groups that have one.

    Args:
        table: columns `contracts.results.REPLICATE_COLUMNS`.
        metric: its label.
        level: `general`, or a column of the scores.
    """
    wanted = (pl.col("metric") == metric) & (pl.col("level") == level) & (pl.col("weighting") == WEIGHTING)
    rows = table.filter(wanted & pl.col("value").is_not_null()).collect()
    return {
        row["group"]: Replicated(
            row["value"],
            row["value_if_failed_worst"],
            row["value_if_failed_best"],
            np.array([np.nan if each is None else each for each in row["replicates"]], dtype=np.float64),
        )
        for row in rows.iter_rows(named=True)
    }


def unready(
    metric: str, scores: tuple[pl.LazyFrame, pl.LazyFrame], replicates: tuple[pl.LazyFrame | None, pl.LazyFrame | None]
) -> _Unready | None:
    """Why two runs cannot be compared by a composite metric: `evaluate`, a run was evaluated before there were
    replicates; `asked`, they were asked different samples, of which none can be left out of such a value; None: they
    can."""
    if any(table is None or not replicated(table, metric, "general") for table in replicates):
        return "evaluate"
    first, second = (
        table.filter(pl.col("metric") == metric).select(pl.col("sample").unique().sort()).collect()["sample"]
        for table in scores
    )
    return None if first.equals(second) else "asked"


def composite_difference(
    first: Replicated, second: Replicated, documents: int, *, failed: bool
) -> dict[str, float | str | None]:
    """The fields of a `Difference` that say how far apart two runs are, and how certain that is.

    Args:
        first: the baseline.
        second: the candidate.
        documents: independent units; below 10 nothing is said of certainty.
        failed: whether a sample of either failed.
    """
    # Not at the top: it brings scipy, and the evaluator, which writes replicates, has no use for that.
    from vhb_shared.statistics.significance import centred_test, smallest_detectable

    value = second.value - first.value
    fields: dict[str, float | str | None] = {
        "baseline": first.value, "candidate": second.value, "difference": value, "test": "bootstrap",
    }  # fmt: skip
    ends = (first.worst, first.best, second.worst, second.best)
    if failed and None not in ends:
        low, high = sorted((ends[2] - ends[1], ends[3] - ends[0]))  # type: ignore[operator]  # none is None
        fields |= {"low_if_failed": min(low, value), "high_if_failed": max(high, value)}
    drawn = second.replicates - first.replicates
    drawn = drawn[np.isfinite(drawn)]
    if documents < FEWEST_FOR_BOOTSTRAP or len(drawn) < RESAMPLES // 2:
        return fields | {"test": None}
    error = float(drawn.std(ddof=1))
    if error > 1e-7 * max(1.0, abs(value)):  # what is left is rounding
        interval = bias_corrected(drawn, value, error, documents)
        fields |= {"ci_low": interval.low, "ci_high": interval.high}
        fields["smallest_detectable"] = smallest_detectable(error, min(documents, BLOCKS))
    return fields | {"p_value": centred_test(drawn, value)}


def rounded_replicates(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Replicates as they are kept: what has more digits would depend on the processor."""
    return values.astype(np.float32)
