"""Objects of the storage as local files."""

from pathlib import Path
from typing import Protocol


class LocalFiles(Protocol):
    """Gives a local, read-only file for a key; `vhb_shared.store.cache.ObjectCache` is one."""

    async def path(self, key: str) -> Path:
        """Raises `NotFound` for a missing object, `Unavailable` when the storage does not answer."""
        ...
