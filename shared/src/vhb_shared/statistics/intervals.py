"""Confidence intervals of statistics of sums over clusters: bootstrap where it is feasible, Student's t elsewhere."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Sums of shape (m, k) -> m values."""

LEVEL = 0.95
RESAMPLES = 2000
FEWEST_FOR_BOOTSTRAP = 10
"""Fewer clusters have too few different resamples; Student's t knows how little they say."""
MOST_FOR_BOOTSTRAP = 1000
"""With more clusters the bootstrap and Student's t agree, and the bootstrap only takes longer."""
_CELLS = 1 << 18
"""Draws held at once; they fit into the processor's cache."""
_FEW_COLUMNS = 8
_DIGITS = 6
"""Significant digits of a bound: more are noise of the resampling, and would depend on the processor."""


class Interval(NamedTuple):
    """A confidence interval of level `LEVEL`."""

    low: float
    high: float


def seed_of(*parts: str) -> int:
    """A seed that depends on what is computed and on nothing else: computing it again gives the same bytes."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big")


def ratio(sums: Floats) -> Floats:
    """numerator / denominator of each row; over 0 it is 0 when the numerator is 0, else 1."""
    numerator, denominator = sums[:, 0], sums[:, 1]
    found: Floats = (numerator != 0).astype(np.float64)
    np.divide(numerator, denominator, out=found, where=denominator != 0)
    return found


def ratio_difference(sums: Floats) -> Floats:
    """Second ratio - first ratio of each row: columns numerator, denominator, numerator, denominator."""
    return ratio(sums[:, 2:4]) - ratio(sums[:, 0:2])


class Jackknife(NamedTuple):
    """What leaving out each cluster in turn says about a statistic."""

    value: float
    error: float
    """Standard error; 0 when no cluster makes a difference."""
    acceleration: float
    """How much the standard error depends on the value: the `a` of BCa."""


def jackknife(sums: Floats, statistic: Statistic) -> Jackknife:
    """Value and standard error of a statistic.

    Args:
        sums: of each cluster, shape (clusters, k); at least 2 clusters.
        statistic: of the sums over all clusters.
    """
    clusters = len(sums)
    total = sums.sum(axis=0, keepdims=True)
    value = float(statistic(total)[0])
    without = statistic(total - sums)
    centred = without.mean() - without
    squares = float(np.square(centred).sum())
    error = float(np.sqrt((clusters - 1) / clusters * squares))
    if error <= 1e-12 * max(1.0, abs(value)):  # what is left is rounding
        return Jackknife(value, 0.0, 0.0)
    return Jackknife(value, error, float((centred**3).sum()) / (6 * squares**1.5))


def cluster_interval(sums: Floats, statistic: Statistic, seed: int) -> Interval | None:
    """The interval of a statistic of sums over independent clusters.

    From 10 to 1,000 clusters a BCa bootstrap (Efron 1987) with 2,000 resamples of whole clusters, its quantiles widened
    for small samples (Hesterberg 2015, section 5.3: t instead of z, times sqrt(n / (n - 1))). Fewer or more clusters:
    Student's t with the jackknife's standard error.

    Args:
        sums: of each cluster, shape (clusters, k), in an order that does not depend on chance.
        statistic: see `Statistic`.
        seed: see `seed_of`.

    Returns:
        None with fewer than two clusters, or when all say the same: then the data do not say how certain they are.
    """
    clusters = len(sums)
    if clusters < 2:
        return None
    found = jackknife(sums, statistic)
    if found.error == 0.0 or not np.isfinite(found.error):
        return None
    if not FEWEST_FOR_BOOTSTRAP <= clusters <= MOST_FOR_BOOTSTRAP:
        return student(found.value, found.error, clusters)
    again = resampled(sums, statistic, seed)
    return _bca(again, found, clusters)


def student(value: float, error: float, clusters: int) -> Interval:
    """Student's t interval with (clusters - 1) degrees of freedom."""
    from scipy import special  # not at the top: a service that starts has no use for half a second of it

    reach = float(special.stdtrit(clusters - 1, (1 + LEVEL) / 2)) * error
    return rounded(value - reach, value + reach, value)


def resampled(sums: Floats, statistic: Statistic, seed: int) -> Floats:
    """The statistic of `RESAMPLES` samples of clusters, drawn with replacement; memory is bounded."""
    clusters = len(sums)
    random = np.random.Generator(np.random.PCG64(seed))
    step = max(1, _CELLS // clusters)
    values = []
    for start in range(0, RESAMPLES, step):
        drawn = random.integers(0, clusters, size=(min(step, RESAMPLES - start), clusters))
        values.append(statistic(_sums_of(drawn, sums)))
    return np.concatenate(values)


def _sums_of(drawn: NDArray[np.int64], sums: Floats) -> Floats:
    rows, clusters = drawn.shape
    columns = sums.shape[1]
    if columns <= _FEW_COLUMNS:
        # Faster than weights times sums, which keeps all processors busy for little.
        return np.stack([sums[:, column][drawn].sum(axis=1) for column in range(columns)], axis=1)
    places = drawn + np.arange(rows, dtype=np.int64)[:, None] * clusters
    times = np.bincount(places.ravel(), minlength=rows * clusters).reshape(rows, clusters)
    return times.astype(np.float64) @ sums


def _bca(again: Floats, found: Jackknife, clusters: int) -> Interval:
    again = again[np.isfinite(again)]
    from scipy import special

    near = 1e-9 * max(1.0, abs(found.value))
    below = (again < found.value - near).mean() + 0.5 * (np.abs(again - found.value) <= near).mean()
    bias = float(special.ndtri(np.clip(below, 1 / (RESAMPLES + 1), RESAMPLES / (RESAMPLES + 1))))
    reach = float(special.stdtrit(clusters - 1, (1 + LEVEL) / 2)) * np.sqrt(clusters / (clusters - 1))
    shares = []
    for side in (-reach, reach):
        shifted = bias + side
        bend = 1 - found.acceleration * shifted
        # Beyond its pole the correction means the far end of what was seen.
        shares.append(float(special.ndtr(bias + shifted / bend)) if bend > 0 else float(side > 0))
    low, high = np.quantile(again, shares)
    return rounded(float(low), float(high), found.value)


def bias_corrected(again: Floats, value: float, error: float, clusters: int) -> Interval:
    """The interval of a statistic of which only resamples are known: BC (Efron 1987, BCa without
    acceleration), widened for small samples as in `cluster_interval`.

    Args:
        again: values of the resamples.
        value: of what was resampled.
        error: standard deviation of the resamples, above 0.
        clusters: independent units.
    """
    return _bca(again, Jackknife(value, error, 0.0), clusters)


def rounded(low: float, high: float, value: float) -> Interval:
    """Bounds of six digits, around the value."""
    low, high = (float(f"{bound:.{_DIGITS}g}") for bound in (low, high))
    return Interval(min(low, value), max(high, value))


def wilson(successes: int, trials: int) -> Interval:
    """Wilson's score interval of a proportion (1927); says something for one trial, and when all ended the same.

    The same as `scipy.stats.binomtest(...).proportion_ci(method="wilson")`, which also computes a test each time: too
    slow for thousands of groups.
    """
    share = successes / trials
    from scipy import special

    z = float(special.ndtri((1 + LEVEL) / 2))
    middle = share + z * z / (2 * trials)
    reach = z * float(np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)))
    scale = 1 + z * z / trials
    return rounded(max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale), share)
