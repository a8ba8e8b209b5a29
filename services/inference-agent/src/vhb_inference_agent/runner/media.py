"""Images as they travel in a request: each is read and encoded once, however many samples show it."""

import asyncio
from collections import OrderedDict

from vhb_inference_agent.runner.failures import RequestFailed
from vhb_shared.datasets.data_urls import read_data_url
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies
from vhb_shared.store.cache import Damaged


class ImageEncoder:
    """Data URLs of a data set's images, the latest kept in memory up to a number of bytes.

    Args:
        copies: where image files come from.
        max_bytes: encoded bytes kept for samples that show the same image again.
    """

    def __init__(self, copies: LocalCopies, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._copies = copies
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._under_way: dict[str, asyncio.Task[bytes]] = {}

    async def data_url(self, digest: str, name: str) -> bytes:
        """The image as an ASCII data URL.

        Args:
            digest: of the data set.
            name: `<sha256>.<ext>`, as samples name their images.

        Raises:
            RequestFailed: the image is missing or cannot be read (kind `sample`).
            Unavailable: the storage does not answer.
        """
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
            return kept
        task = self._under_way.get(name)
        if task is None:
            task = asyncio.create_task(self._encode(digest, name))
            self._under_way[name] = task
            task.add_done_callback(lambda done: self._finished(name, done))
        # One sample given up must not take the image away from others that wait for it.
        return await asyncio.shield(task)

    async def _encode(self, digest: str, name: str) -> bytes:
        try:
            path = await self._copies.path(layout.dataset_media(digest, name))
        except NotFound:
            raise RequestFailed("sample", f"the image {name} is not in storage; load the data set again") from None
        except Damaged as error:
            raise RequestFailed("sample", f"{error}; load the data set again") from error
        try:
            return await asyncio.to_thread(read_data_url, path, name)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RequestFailed("sample", f"the image {name} cannot be read: {reason}") from error

    def _finished(self, name: str, task: asyncio.Task[bytes]) -> None:
        self._under_way.pop(name, None)
        if task.cancelled() or task.exception() is not None:
            return
        encoded = task.result()
        if len(encoded) > self._max_bytes:
            return
        self._kept[name] = encoded
        self._kept_bytes += len(encoded)
        while self._kept_bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= len(dropped)
