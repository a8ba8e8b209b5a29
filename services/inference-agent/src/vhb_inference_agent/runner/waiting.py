"""How long to wait before a request is tried again, within a budget of attempts and of waiting."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vhb_inference_agent.runner.failures import RequestFailed
from vhb_shared.contracts.job import Retries

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0


class RetryBudget:
    """What one question may still cost in attempts and in waiting. Exponential waits with jitter, or what the endpoint
    asked for, cut to what is left.

    Args:
        limits: attempts, and seconds of waiting in all.
    """

    def __init__(self, limits: Retries) -> None:
        self._limits = limits
        self._waited_s = 0.0
        self.attempts = 0
        """Made so far."""

    def wait_after(self, failure: RequestFailed) -> float | None:
        """Seconds to wait before the next attempt, taken from the budget; None when there is to be no other."""
        left = self._limits.max_wait_s - self._waited_s
        if not failure.retryable or self.attempts >= self._limits.max_attempts or left <= 0:
            return None
        if failure.retry_after_s is None:
            ceiling = min(FIRST_WAIT_S * 2 ** (self.attempts - 1), LONGEST_WAIT_S)
            seconds = random.uniform(ceiling / 2, ceiling)  # noqa: S311
        else:
            # Jitter only adds to what the endpoint asked for, so that a crowd does not come back in one moment.
            seconds = failure.retry_after_s + random.uniform(0, 0.1)  # noqa: S311
        seconds = min(seconds, left)
        self._waited_s += seconds
        return seconds


def retry_after_s(value: str | None, milliseconds: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a response asks to wait.

    Args:
        value: `Retry-After`: seconds or an HTTP date (RFC 9110, section 10.2.3).
        milliseconds: `retry-after-ms`, which some APIs send beside it.
        now: the time that a date is compared with; the clock's by default.
    """
    for text, scale in ((milliseconds, 1000.0), (value, 1.0)):
        if text:
            try:
                return max(0.0, float(text) / scale)
            except ValueError:
                continue
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
