"""How often a client may come."""

import pytest

from vhb_api.access import limits
from vhb_api.access.limits import RateLimit


def test_a_bucket_empties_and_fills() -> None:
    now = [0.0]
    limit = RateLimit(6, lambda: now[0])
    assert [limit.wait("a") for _ in range(6)] == [0.0] * 6
    assert limit.wait("a") == 10.0 and limit.wait("b") == 0.0
    now[0] = 9.0
    assert limit.wait("a") == pytest.approx(1)
    now[0] = 10.0
    assert limit.wait("a") == 0.0 and limit.wait("a") == pytest.approx(10)
    now[0] = 1e6
    assert [limit.wait("a") for _ in range(7)] == [0.0] * 6 + [10.0], "no more than a bucket is saved up"


def test_clients_are_bounded_and_the_oldest_goes_first() -> None:
    limit = RateLimit(1, lambda: 0.0)
    for number in range(limits.MOST_CLIENTS + 1):
        assert limit.wait(str(number)) == 0.0
    assert limit.wait("0") == 0.0, "forgotten"
    assert limit.wait(str(limits.MOST_CLIENTS)) > 0
