"""Tests of paired differences, and what many of them together may claim."""

from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from vhb_shared.statistics.intervals import LEVEL, Floats, ratio_difference

FLIPS = 9_999
MOST_EXACT = 13
"""Clusters whose exchanges are all tried: 2^13."""
MOST_FLIPPED = 5_000
"""With more clusters the distribution of exchanges is normal for all that matters."""
POWER = 0.8
_CELLS = 1 << 21


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact McNemar test (two-sided): of the samples that only one side got right, is half the first's?"""
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def exchange_test(sums: Floats, seed: int) -> float:
    """Paired permutation test (two-sided): exchanging the two sides of any cluster should not matter.

    All exchanges up to 13 clusters, else 9,999 random ones (p is then at least 1/10,000).

    Args:
        sums: of each cluster: numerator and denominator of the first, then of the second side.
        seed: see `intervals.seed_of`.
    """
    clusters = len(sums)
    swap = sums[:, [2, 3, 0, 1]] - sums
    total = sums.sum(axis=0)
    observed = abs(float(ratio_difference(total[None, :])[0])) * (1 - 1e-9)
    if clusters <= MOST_EXACT:
        every = (np.arange(1 << clusters)[:, None] >> np.arange(clusters)) & 1
        return float((np.abs(ratio_difference(total + every.astype(np.float64) @ swap)) >= observed).mean())
    random = np.random.Generator(np.random.PCG64(seed))
    step = max(1, _CELLS // clusters)
    as_large = 0
    for start in range(0, FLIPS, step):
        rows = min(step, FLIPS - start)
        bits = np.frombuffer(random.bytes(-(-rows * clusters // 8)), dtype=np.uint8)
        signs = np.unpackbits(bits, count=rows * clusters).reshape(rows, clusters).astype(np.float64)
        as_large += int((np.abs(ratio_difference(total + signs @ swap)) >= observed).sum())
    return (as_large + 1) / (FLIPS + 1)


def normal_test(difference: float, error: float) -> float:
    """p of a difference that is normal with this standard error (two-sided)."""
    return float(2 * special.ndtr(-abs(difference) / error)) if error > 0 else float(difference == 0)


def centred_test(again: Floats, difference: float) -> float:
    """Bootstrap test (two-sided): how often resamples lie as far from the difference as it lies from 0 (Efron and
    Tibshirani 1993, section 16.4); at least 1 / (resamples + 1).

    Args:
        again: the difference in resamples.
        difference: as observed.
    """
    near = 1e-9 + 1e-6 * abs(difference)  # what is left of rounding
    as_far = int((np.abs(again - difference) >= abs(difference) - near).sum())
    return (as_far + 1) / (len(again) + 1)


def smallest_detectable(error: float, clusters: int) -> float:
    """The true difference that a test at 5% would show with a power of 80%.

    Args:
        error: standard error of the difference.
        clusters: independent units it is made of.
    """
    both = special.stdtrit(clusters - 1, (1 + LEVEL) / 2) + special.stdtrit(clusters - 1, POWER)
    return float(both * error)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for their number (Holm 1979): in the order given; None stays None and does not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected
