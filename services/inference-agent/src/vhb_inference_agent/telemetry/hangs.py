"""When a backend that runs is taken to hang. Pure: what is seen comes in, the verdict goes out.

Slow is not hung. What decides beside the silence is whether the backend's processes or devices do anything and
whether it answers a health check:

| health check | processors, devices | is hung after a silence of |
|---|---|---|
| fails | idle | `after_s`, or 3 times the longest silence that ended well |
| answers | idle | one request's time limit, or 10 times the longest silence |
| fails | busy, or not known | 3 times the line above |
| answers | busy, or not known | never: it computes something |
"""

from dataclasses import dataclass

IDLE = 0.02
"""Share of one processor below which processes are idle: a server that only waits uses a tenth of it."""
FAILED_CHECKS = 2
"""Health checks that must fail one after the other: one can be lost."""


@dataclass(frozen=True)
class Signs:
    """What is seen of a backend. Times in seconds."""

    silence_s: float
    """Since requests in flight last showed a sign of life; 0 without any."""
    longest_s: float
    """The longest silence so far that ended with a sign of life."""
    request_limit_s: float
    """What one attempt may take."""
    busy: bool | None
    """Whether its processes or devices do anything during the silence; None: not known."""


class HangJudge:
    """Follows one backend.

    Args:
        after_s: silence of an idle backend that fails its health check; the least there is.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._failed = 0
        self._answered = False

    def wants_check(self, signs: Signs) -> bool:
        """Whether the silence is long enough to ask how it is."""
        if signs.silence_s < self._least(signs):
            self._failed, self._answered = 0, False
            return False
        return True

    def checked(self, answers: bool) -> None:
        """Takes in a health check made after `wants_check`."""
        self._failed = 0 if answers else self._failed + 1
        self._answered = answers

    @property
    def suspicious(self) -> bool:
        """It is silent and fails its health check."""
        return self._failed >= FAILED_CHECKS

    def verdict(self, signs: Signs) -> str | None:
        """Why it hangs, in words, or None."""
        if signs.silence_s < self._least(signs) or not (self._answered or self.suspicious):
            return None
        long = max(signs.request_limit_s, 10 * signs.longest_s)
        silent = f"no sign of life for {signs.silence_s:.0f} s with requests in flight"
        if self._answered:
            lost = signs.busy is False and signs.silence_s >= long
            return f"{silent}; it answers its health check and does nothing" if lost else None
        if signs.busy is False:
            return f"{silent}; it fails its health check and does nothing"
        return f"{silent}; it fails its health check" if signs.silence_s >= 3 * long else None

    def _least(self, signs: Signs) -> float:
        return max(self._after_s, 3 * signs.longest_s)
