"""What tests of webhooks do again and again."""

import asyncio
from collections.abc import Callable
from typing import Any

from interface import Interface

Named = Callable[[str], str]
ENDS = ["job.completed", "job.failed", "job.cancelled"]


async def made(api: Interface, url: str, kinds: list[str] = ENDS, **more: Any) -> Any:
    said = await api.ask("POST", "/webhooks", json={"name": "ci", "url": url, "kinds": kinds} | more)
    assert said.status == 201, said
    return said.json


async def deliveries(api: Interface, webhook: Any, query: str = "") -> Any:
    return (await api.get(f"/webhooks/{webhook['webhook_id']}/deliveries?{query}"))["items"]


async def listed(api: Interface, webhook: Any, query: str, wanted: int) -> Any:
    """Its deliveries, as soon as there are so many."""
    async with asyncio.timeout(10):
        while True:
            found = await deliveries(api, webhook, query)
            if len(found) >= wanted:
                return found
            await asyncio.sleep(0.05)


async def settled(api: Interface, webhook: Any, wanted: int = 1) -> Any:
    """The deliveries, as soon as so many of them have been tried."""
    async with asyncio.timeout(20):
        while True:
            found = await deliveries(api, webhook)
            if len([one for one in found if one["attempts"]]) >= wanted:
                return found
            await asyncio.sleep(0.05)
