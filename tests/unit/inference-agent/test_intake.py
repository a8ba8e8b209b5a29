"""How many shards a session takes at once."""

import pytest

from vhb_inference_agent.intake import MOST, shards_at_once


@pytest.mark.parametrize(
    ("concurrency", "shard_size", "expected"),
    [(32, 64, 2), (64, 64, 2), (65, 64, 3), (128, 64, 3), (32, 8, 5), (32, 1, 33), (4096, 1, MOST), (1, 1, 2)],
)
def test_enough_for_every_slot_and_one_more(concurrency: int, shard_size: int, expected: int) -> None:
    assert shards_at_once(concurrency, shard_size) == expected
