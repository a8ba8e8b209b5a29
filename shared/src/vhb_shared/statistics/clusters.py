"""The interval of a ratio of sums over documents, which come in parts."""

from dataclasses import dataclass, field

import numpy as np

from vhb_shared.statistics.intervals import (
    MOST_FOR_BOOTSTRAP,
    Floats,
    Interval,
    cluster_interval,
    ratio,
    rounded,
    student,
    wilson,
)


@dataclass
class Clusters:
    """What is known of a group of samples after some parts of it; memory is bounded."""

    value: float
    clusters: int = 0
    samples: int = 0
    squares: float = 0.0
    """Of the clusters' numerator - value * denominator."""
    successes: float = 0.0
    weight: float = 0.0
    right_or_wrong: bool = True
    """All values 0 or 1, no sample weighing more than another."""
    within: tuple[bool, bool] = (True, True)
    """No value below 0; none above 1."""
    kept: list[Floats] = field(default_factory=list)
    """Order, numerator and denominator of each cluster; emptied when they are too many for a bootstrap."""

    def add(self, clusters: Floats, samples: int, right_or_wrong: bool) -> None:
        """Takes in clusters: columns order, numerator, denominator."""
        numerator, denominator = clusters[:, 1], clusters[:, 2]
        self.clusters += len(clusters)
        self.samples += samples
        self.squares += float(np.square(numerator - self.value * denominator).sum())
        self.successes += float(numerator.sum())
        self.weight += float(denominator.sum())
        self.right_or_wrong &= right_or_wrong
        low, high = self.within
        self.within = (low and bool((numerator >= 0).all()), high and bool((numerator <= denominator).all()))
        self.kept = [*self.kept, clusters] if self.clusters <= MOST_FOR_BOOTSTRAP else []

    def interval(self, seed: int, most: int = MOST_FOR_BOOTSTRAP) -> Interval | None:
        """See docs/statistics.md for which interval when.

        Args:
            seed: of the bootstrap.
            most: clusters that are bootstrapped.
        """
        if self.right_or_wrong and self.clusters == self.samples:
            return wilson(round(self.successes), self.samples)
        if self.clusters < 2 or self.weight == 0:
            return None
        same = self.squares <= 1e-18 * self.weight**2
        if same and self.right_or_wrong and self.value in (0.0, 1.0):
            # All right, or all wrong: as many independent observations as there are documents.
            return wilson(round(self.value * self.clusters), self.clusters)
        if same:
            return None
        if self.clusters <= most:
            clusters = np.concatenate(self.kept)
            ordered = clusters[np.argsort(clusters[:, 0], kind="stable"), 1:]
            found = cluster_interval(ordered, ratio, seed)
        else:
            count = self.clusters
            found = student(self.value, float(np.sqrt(count / (count - 1) * self.squares)) / abs(self.weight), count)
        return found and self._possible(found)

    def _possible(self, found: Interval) -> Interval:
        low = max(found.low, 0.0) if self.within[0] else found.low
        high = min(found.high, 1.0) if self.within[1] else found.high
        return rounded(low, high, self.value)
