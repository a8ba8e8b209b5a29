"""Previews and the images that they made, kept for an hour."""

import asyncio
import secrets
import shutil
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from vhb_api.previewing.preview import Preview, Wanted, preview
from vhb_api.submitting.problems import Problem, Refused
from vhb_api.submitting.submitter import Busy, Handed, Submitter, Wishes
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.store.layered import LayeredStore

MOST = 40
"""Kept; the oldest go first."""
HOUR_S = 3600.0
AT_ONCE = 2
MOST_WAITING = 20
PATIENCE_S = 90.0


@dataclass(frozen=True)
class _Kept:
    owner: str
    made: float
    store: DirectoryStore
    folder: Path


class Previews:
    """Makes and keeps previews.

    Args:
        root: a folder of its own; what is in it goes when the service starts.
        submitter: reads jobs.
        store: object storage; nothing is written to it.
    """

    def __init__(self, root: Path, submitter: Submitter, store: ObjectStore) -> None:
        self._root = root
        self._submitter = submitter
        self._store = store
        self._places = asyncio.Semaphore(AT_ONCE)
        self._under_way = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def clear(self) -> None:
        """Removes what an earlier process left."""
        await asyncio.to_thread(shutil.rmtree, self._root, True)

    async def make(self, handed: Handed, wishes: Wishes, wanted: Wanted, owner: str) -> tuple[str, Preview]:
        """A preview, and the name that its images are asked by.

        Raises:
            Refused: the job could not run, or reading takes too long.
            Busy: too many are being made already.
            Unavailable: storage does not answer.
        """
        if self._under_way >= MOST_WAITING:
            raise Busy
        self._under_way += 1
        try:
            return await self._make(handed, wishes, wanted, owner)
        finally:
            self._under_way -= 1

    async def _make(self, handed: Handed, wishes: Wishes, wanted: Wanted, owner: str) -> tuple[str, Preview]:
        preview_id = secrets.token_hex(16)
        folder = self._root / preview_id
        upper = DirectoryStore(folder / "store", durable=False)
        store = LayeredStore(upper, self._store)
        try:
            async with (
                self._places,
                asyncio.timeout(PATIENCE_S),
                self._submitter.read(handed, wishes) as (job, registry),
            ):
                await asyncio.to_thread((folder / "store").mkdir, parents=True)
                copies = ObjectCache(store, folder / "cache")
                made = await preview(job, registry, store, copies, wanted)
        except TimeoutError:
            await asyncio.to_thread(shutil.rmtree, folder, True)
            why = (
                f"Reading the data took longer than {PATIENCE_S:g} s, which is too long for a preview: hand the job in."
            )
            raise Refused([Problem(message=why)]) from None
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, True)
            raise
        self._kept[preview_id] = _Kept(owner, time.monotonic(), upper, folder)
        await self._sweep()
        return preview_id, made

    async def _sweep(self) -> None:
        while self._kept:
            preview_id, oldest = next(iter(self._kept.items()))
            if len(self._kept) <= MOST and time.monotonic() - oldest.made < HOUR_S:
                return
            del self._kept[preview_id]
            await asyncio.to_thread(shutil.rmtree, oldest.folder, True)

    async def image(self, preview_id: str, digest: str, name: str, owner: str) -> Path:
        """An image that a preview made.

        Raises:
            NotFound: there is none, or it is another's.
        """
        kept = self._kept.get(preview_id)
        path = kept.store.local_path(layout.dataset_media(digest, name)) if kept and kept.owner == owner else None
        if path is None or not await asyncio.to_thread(path.is_file):
            raise NotFound(f"image {name} of this preview any more: make the preview anew")
        return path

    async def made_here(self, preview_id: str, digest: str, name: str) -> bool:
        """Whether an image is the preview's, and not in storage."""
        return await self._kept[preview_id].store.exists(layout.dataset_media(digest, name))
