"""How far judges agree."""

from collections import Counter
from collections.abc import Sequence
from itertools import product


class Agreement:
    """Krippendorff's alpha for interval data, gathered unit by unit: memory grows with the distinct scores only.

    alpha = 1 - observed / expected disagreement, disagreement being the squared difference of two scores: 1 is perfect,
    0 what chance gives, below 0 is worse. Units with fewer than two scores cannot be paired and are left out.
    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
    """

    def __init__(self) -> None:
        self.units = 0
        """Units with two or more scores."""
        self._values: Counter[float] = Counter()
        self._observed = 0.0

    def add(self, scores: Sequence[float]) -> None:
        """Takes in what judges gave to one unit; those that failed are missing."""
        count = len(scores)
        if count < 2:
            return
        self.units += 1
        self._values.update(scores)
        total, squares = sum(scores), sum(score * score for score in scores)
        # Over all ordered pairs, sum (a - b)^2 = 2 (n sum a^2 - (sum a)^2).
        self._observed += 2 * (count * squares - total * total) / (count - 1)

    def alpha(self) -> float | None:
        """The coefficient; None without units, or where all scores are the same and chance says nothing."""
        number = self._values.total()
        if number < 2:
            return None
        expected = sum(n * m * (a - b) ** 2 for (a, n), (b, m) in product(self._values.items(), repeat=2))
        if expected == 0:
            return None
        return 1 - self._observed * (number - 1) / expected
