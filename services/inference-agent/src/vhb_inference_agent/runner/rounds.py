"""Rounds: how throughput and latency are measured while requests go on."""

from collections.abc import Callable
from typing import NamedTuple

SHORTEST_S = 0.2
"""A round takes at least so long: below it, a clock and an event loop measure themselves."""


class Round(NamedTuple):
    """What was measured over some completed requests."""

    limit: int
    """Requests in flight that brought it."""
    throughput: float
    """Work per second."""
    latency: float
    """Seconds per unit of work that a request took."""
    wanted: bool
    """Whether more requests waited for a place nearly all the time."""

    @property
    def flow(self) -> float:
        """Work per second by Little's law: steadier than counting, as answers may come in bursts."""
        return self.limit / self.latency


class Rounds:
    """The round under way, and those kept to compare with.

    Args:
        clock: seconds, monotonic.
        limit: in flight at first.
    """

    def __init__(self, clock: Callable[[], float], limit: int) -> None:
        self._clock = clock
        self._kept: dict[int, Round] = {}
        self.latest: Round | None = None
        """Of those kept."""
        self._last_rate = 0.0
        self._last_latency_s = 0.0
        self.begin(limit)

    def begin(self, limit: int) -> None:
        """Starts a round with so many in flight."""
        self.limit = limit
        self.failures = 0
        self._since = self._clock()
        self._count = 0
        self._wanted = 0
        self._work = 0.0
        self._latency_s = 0.0

    def add(self, latency_s: float, work: float, wanted: bool) -> None:
        """A request was completed."""
        self._count += 1
        self._wanted += wanted
        self._work += work
        self._latency_s += latency_s

    def end(self, *, long: bool) -> Round | None:
        """The round, if it has seen enough: as many requests as are in flight, twice as many when `long`."""
        elapsed = self._clock() - self._since
        enough = max(2 * self.limit, 16) if long else max(self.limit, 8)
        if self._count < enough or elapsed < SHORTEST_S:
            return None
        self._last_rate = self._count / elapsed
        self._last_latency_s = self._latency_s / self._count
        return Round(
            self.limit, self._work / elapsed, max(self._latency_s / self._work, 1e-9), self._wanted >= 0.8 * self._count
        )

    @property
    def rate(self) -> float:
        """Requests per second, of the latest round; less when the one under way is slower. 0 before the first."""
        elapsed = self._clock() - self._since
        return min(self._last_rate, (self._count + 1) / elapsed) if elapsed > 0 else self._last_rate

    @property
    def latency_s(self) -> float:
        """Of a request, on average: of the round under way once there is enough of it, else the latest; 0 at first."""
        return self._latency_s / self._count if self._count >= self.limit else self._last_latency_s

    def keep(self, round: Round) -> None:
        """Remembers a round under its limit."""
        self._kept[round.limit] = self.latest = round

    def smallest(self, share: float) -> int:
        """The smallest limit that brought at least this share of the best throughput."""
        best = max(round.throughput for round in self._kept.values())
        return min(limit for limit, round in self._kept.items() if round.throughput >= share * best)

    def forget(self, limit: int) -> None:
        """Drops what is kept: the backend is another one now."""
        self._kept.clear()
        self.latest = None
        self.begin(limit)
