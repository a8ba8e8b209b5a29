"""A storage over another one: reads what both hold, writes into the upper one alone."""

from collections.abc import AsyncIterator
from pathlib import Path

from vhb_shared.errors import NotFound
from vhb_shared.store.base import ObjectInfo, ObjectStore


class LayeredStore(ObjectStore):
    """For work on stored data whose results are nobody else's business.

    Args:
        upper: is written to, and asked first.
        lower: is read only.
    """

    def __init__(self, upper: ObjectStore, lower: ObjectStore) -> None:
        self._upper = upper
        self._lower = lower

    async def check(self) -> None:
        await self._upper.check()
        await self._lower.check()

    async def put(self, key: str, data: bytes) -> None:
        await self._upper.put(key, data)

    async def put_file(self, key: str, path: Path) -> None:
        await self._upper.put_file(key, path)

    async def get(self, key: str) -> bytes:
        try:
            return await self._upper.get(key)
        except NotFound:
            return await self._lower.get(key)

    async def get_file(self, key: str, path: Path) -> None:
        try:
            await self._upper.get_file(key, path)
        except NotFound:
            await self._lower.get_file(key, path)

    async def exists(self, key: str) -> bool:
        return await self._upper.exists(key) or await self._lower.exists(key)

    async def version(self, key: str) -> str:
        try:
            return await self._upper.version(key)
        except NotFound:
            return await self._lower.version(key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        found = {info.key: info async for info in self._lower.list(prefix)}
        found |= {info.key: info async for info in self._upper.list(prefix)}
        for key in sorted(found):
            yield found[key]

    async def delete(self, key: str) -> None:
        await self._upper.delete(key)
