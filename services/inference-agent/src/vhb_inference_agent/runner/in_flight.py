"""Which requests a session has sent and not got back: counted as it happens, read by telemetry and the watchdog."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Owner(NamedTuple):
    """Whose request it is."""

    job_id: str
    run_id: str


class Load(NamedTuple):
    """What was in flight in a span of time."""

    request_s: float
    """Sum over requests of the seconds each was in flight: divided by the span, the mean in flight."""
    peak: int
    """Most at once."""
    finished: int
    """Attempts that came back with an answer."""


class InFlight:
    """Counts attempts in flight by run. Every attempt is counted from sending to its end, however it ends.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[Owner, _Count] = {}
        self.now = 0
        """Requests in flight over all runs."""
        self.peak = 0
        """Most at once since the last `take`."""
        self.progress_at = clock()
        """When something last came back: a token, an answer, or the first request after none was in flight."""
        self._owed = 0.0
        self.longest_silence_s = 0.0
        """The longest that an answer kept us waiting for its next sign of life, over all that came in the end."""

    @contextmanager
    def request(self, owner: Owner) -> Iterator[None]:
        """One attempt, in flight while the block runs."""
        count = self._counts.setdefault(owner, _Count(self._clock()))
        if not self.now:
            self.progress_at = self._clock() - self._owed
        self.now += 1
        self.peak = max(self.peak, self.now)
        count.change(self._clock(), 1)
        try:
            yield
            count.finished += 1
            self.progress()
        finally:
            self.now -= 1
            count.change(self._clock(), -1)
            if not self.now:
                # Requests that all timed out have shown no sign of life: the next ones go on waiting for it.
                self._owed = self._clock() - self.progress_at

    def progress(self) -> None:
        """Something came back."""
        now = self._clock()
        self.longest_silence_s = max(self.longest_silence_s, now - self.progress_at)
        self.progress_at = now

    def forgive(self) -> None:
        """Starts waiting anew: the silence so far has been dealt with."""
        self.progress_at, self._owed = self._clock(), 0.0

    def silence_s(self) -> float:
        """How long the requests in flight have waited for any sign of life; 0 without any."""
        return self._clock() - self.progress_at if self.now else 0.0

    def take(self) -> dict[Owner, Load]:
        """The load of every run since the last call; runs without any are left out."""
        now = self._clock()
        loads: dict[Owner, Load] = {}
        for owner, count in list(self._counts.items()):
            count.change(now, 0)
            if count.request_s > 0 or count.finished:
                loads[owner] = Load(count.request_s, count.peak, count.finished)
            if not count.now:
                del self._counts[owner]
            count.reset()
        self.peak = self.now
        return loads


class _Count:
    def __init__(self, now: float) -> None:
        self.now = self.peak = self.finished = 0
        self.request_s = 0.0
        self._since = now

    def change(self, now: float, by: int) -> None:
        self.request_s += self.now * (now - self._since)
        self._since = now
        self.now += by
        self.peak = max(self.peak, self.now)

    def reset(self) -> None:
        self.request_s, self.finished, self.peak = 0.0, 0, self.now
