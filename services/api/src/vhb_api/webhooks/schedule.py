"""When a delivery that failed is tried again. Pure."""

import random

DELAYS_S = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""After the first attempt, the second, ...: those that Standard Webhooks names. Three days in all."""
JITTER = 0.2
GIVE_UP_S = 5 * 86400
"""A receiver that fails for so long, without one success, is not sent anything any more."""
MOST_WAIT_S = 86400


def delay_s(attempts: int, asked_s: float | None, chance: random.Random) -> float | None:
    """Seconds until the next attempt; None: there is none.

    Args:
        attempts: how many there were.
        asked_s: what the receiver asked for (`Retry-After`); it can wait longer, not shorter.
        chance: spreads what failed at the same moment.
    """
    if attempts > len(DELAYS_S):
        return None
    usual = DELAYS_S[attempts - 1] * chance.uniform(1 - JITTER, 1 + JITTER)
    return max(usual, min(asked_s or 0, MOST_WAIT_S))
