"""Objects as local files for as long as a report is made."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import Damaged


class ReportFiles:
    """Local files of results and of data sets.

    Results are read afresh every time, for a retry replaces them under the same key; data sets are pinned by digest and
    may come from a cache. Use as `async with`: copies are gone afterwards.

    Args:
        store: object storage.
        pinned: key -> local file, for objects that never change.
    """

    def __init__(self, store: ObjectStore, pinned: Callable[[str], Awaitable[Path]]) -> None:
        self._store = store
        self._pinned = pinned
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copies = 0

    async def __aenter__(self) -> "ReportFiles":
        self._folder = tempfile.TemporaryDirectory(prefix="vhb-report-")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    async def result(self, run_id: str, name: str) -> Path | None:
        """A file of a run's results; None when there is none."""
        key = layout.run_file(run_id, name)
        local = self._store.local_path(key)
        if local is not None:
            return local if await self._store.exists(key) else None
        if self._folder is None:
            raise RuntimeError("ReportFiles is used outside of `async with`")
        self._copies += 1
        path = Path(self._folder.name) / f"{self._copies}-{name}"
        try:
            await self._store.get_file(key, path)
        except NotFound:
            return None
        return path

    async def samples(self, digest: str) -> Path | None:
        """samples.parquet of a data set; None when there is none."""
        return await self._pinned_or_none(layout.dataset_samples(digest))

    async def media(self, digest: str, name: str) -> Path | None:
        """An image of a data set; None when there is none, or it is not what its name says."""
        try:
            return await self._pinned_or_none(layout.dataset_media(digest, name))
        except Damaged:
            return None

    async def _pinned_or_none(self, key: str) -> Path | None:
        try:
            return await self._pinned(key)
        except NotFound:
            return None
