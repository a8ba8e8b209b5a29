"""Images made small for a page: a few at a time, the latest kept in memory."""

import asyncio
from collections import OrderedDict
from pathlib import Path

from vhb_shared.datasets.small_images import SmallImage, small_jpeg

KEPT_BYTES = 64 << 20
AT_ONCE = 4
STEPS = (64, 128, 256, 512, 768, 1024, 1536, 2048)
"""Widths that are made; what is asked for becomes the next of them, so that few different ones are kept."""
_MOST_BYTES = 600_000


class Thumbnails:
    """Makes and keeps small images. Not usable from several event loops."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    async def jpeg(self, name: str, path: Path, width: int) -> bytes:
        """A JPEG of about that width.

        Args:
            name: stands for the content, wherever it lies.
            path: the image.
            width: one of `STEPS`.

        Raises:
            NotAnImage, TooManyPixels: as `small_jpeg`.
        """
        key = (name, width)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        async with self._places:
            # Tall pages keep their width: that is what a reader needs.
            found: SmallImage = await asyncio.to_thread(small_jpeg, path, (width, width * 4), _MOST_BYTES)
        if key not in self._kept:
            self._kept[key] = found.data
            self._bytes += len(found.data)
            while self._bytes > KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return found.data


def step(width: int) -> int:
    """The width that is made where this one is asked for."""
    return next((each for each in STEPS if each >= width), STEPS[-1])
