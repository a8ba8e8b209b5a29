"""How many requests one client may make: a bucket of tokens for each, in memory, bounded."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CLIENTS = 10_000


class RateLimit:
    """Lets a client through `per_minute` times a minute, and as often at once.

    Args:
        per_minute: requests.
        clock: seconds that never go back.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._per_s = per_minute / 60
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Takes one request of a client: 0, or the seconds until it may come again."""
        left, now = self._of(client)
        if left < 1:
            return (1 - left) / self._per_s
        self._left[client] = (left - 1, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0

    def _of(self, client: str) -> tuple[float, float]:
        now = self._clock()
        left, at = self._left.pop(client, (self._size, now))
        left = min(self._size, left + (now - at) * self._per_s)
        self._left[client] = (left, now)
        return left, now
