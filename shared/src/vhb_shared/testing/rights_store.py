"""Object storage as one role may use it: what its policy does not allow fails the test."""

from collections.abc import AsyncIterator
from pathlib import Path

from vhb_shared.access.roles import Role
from vhb_shared.access.storage import allowed
from vhb_shared.store.base import ObjectInfo, ObjectStore


class NotAllowed(AssertionError):  # noqa: N818 - a failed test
    """The role's key would be refused by a server; see `vhb_shared.access.storage`."""


class RightsStore(ObjectStore):
    """A store behind the policy of a role.

    Args:
        store: where objects are.
        role: who uses it.
    """

    def __init__(self, store: ObjectStore, role: Role) -> None:
        self._store, self._role = store, role

    def _may(self, action: str, key: str) -> None:
        if not allowed(self._role, action, key):
            raise NotAllowed(f"{self._role} may not {action} {key}")

    async def check(self) -> None:
        """See `ObjectStore.check`."""
        await self._store.check()

    async def put(self, key: str, data: bytes) -> None:
        """See `ObjectStore.put`."""
        self._may("write", key)
        await self._store.put(key, data)

    async def put_file(self, key: str, path: Path) -> None:
        """See `ObjectStore.put_file`."""
        self._may("write", key)
        await self._store.put_file(key, path)

    async def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        self._may("read", key)
        return await self._store.get(key)

    async def get_file(self, key: str, path: Path) -> None:
        """See `ObjectStore.get_file`."""
        self._may("read", key)
        await self._store.get_file(key, path)

    async def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`: servers ask for the right to read."""
        self._may("read", key)
        return await self._store.exists(key)

    async def version(self, key: str) -> str:
        """See `ObjectStore.version`."""
        self._may("read", key)
        return await self._store.version(key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """See `ObjectStore.list`: every role may."""
        async for info in self._store.list(prefix):
            yield info

    async def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self._may("delete", key)
        await self._store.delete(key)

    def local_path(self, key: str) -> Path | None:
        """See `ObjectStore.local_path`."""
        self._may("read", key)
        return self._store.local_path(key)
