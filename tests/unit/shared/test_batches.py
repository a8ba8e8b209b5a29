"""Ending a puller of batches."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from nats.aio.msg import Msg

from vhb_shared.bus import batches
from vhb_shared.bus.batches import BatchPuller
from vhb_shared.contracts import topology


class Deaf:
    """Loses the first cancellation, as `asyncio.wait_for` of Python 3.11 does when a message comes at that moment."""

    def __init__(self, *_: Any) -> None:
        self.lost = 0

    async def fetch(self, most: int) -> list[Msg]:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.lost += 1
            if self.lost > 1:
                raise
        return []

    async def close(self) -> None: ...


async def test_a_lost_cancellation_is_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = Deaf()
    monkeypatch.setattr(batches, "Fetcher", lambda *_: deaf)
    monkeypatch.setattr(batches, "_CANCEL_AGAIN_S", 0.05)

    async def handle(messages: Sequence[Msg]) -> None: ...

    async with asyncio.timeout(20):
        async with BatchPuller(None, topology.API_EVENTS, handle):  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
    assert deaf.lost == 2
