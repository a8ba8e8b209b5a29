"""How often a backend may die, and how long to wait before it is started again."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """`deaths` within `window_s` are too many; the first restart is immediate, later ones wait ever longer."""

    deaths: int = 5
    window_s: float = 600.0
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0


class Deaths:
    """Counts deaths within the window."""

    def __init__(self, policy: RestartPolicy, clock: Callable[[], float]) -> None:
        self._policy, self._clock = policy, clock
        self._times: deque[float] = deque()

    def __len__(self) -> int:
        now = self._clock()
        while self._times and now - self._times[0] > self._policy.window_s:
            self._times.popleft()
        return len(self._times)

    def count(self) -> float | None:
        """Records one more death.

        Returns:
            Seconds to wait before the restart, None when there were too many.
        """
        self._times.append(self._clock())
        deaths = len(self)
        if deaths >= self._policy.deaths:
            return None
        if deaths == 1:
            return 0.0
        delay: float = self._policy.first_delay_s * 2.0 ** (deaths - 2)
        return min(self._policy.longest_delay_s, delay)
