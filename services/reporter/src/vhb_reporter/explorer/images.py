"""Previews beside samples.html: which images get one, and their files."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from vhb_shared.datasets.small_images import NotAnImage, TooManyPixels, small_jpeg

SIDE = (1200, 1600)
"""Pixels: enough to read the small print of a page."""
MOST_BYTES = 400_000


class Previews:
    """Chooses images until a number is reached: first those named, then in the order of the samples.

    Args:
        limit: how many.
        first: (digest of the data set, name) of images that come before all others.
    """

    def __init__(self, limit: int, first: Iterable[tuple[str, str]]) -> None:
        self._limit = limit
        self.chosen: dict[tuple[str, str], str] = {}
        """(digest, name) -> name of the preview's file."""
        self.left_out = 0
        for digest, name in first:
            self.take(digest, [name])

    def take(self, digest: str, names: Sequence[str]) -> list[str]:
        """Names of the previews of a sample's images; empty where there is none because there are enough."""
        return [self._one(digest, name) for name in names]

    def _one(self, digest: str, name: str) -> str:
        found = self.chosen.get((digest, name))
        if found is not None:
            return found
        if len(self.chosen) >= self._limit:
            self.left_out += 1
            return ""
        # Media are named by their sha256; whatever else a table says must not lead out of the folder.
        stem = PurePosixPath(name).stem
        file = f"{stem}.jpg" if stem.isalnum() and stem.isascii() and len(stem) <= 64 else ""
        self.chosen[digest, name] = file
        return file


def write_preview(image: Path, target: Path) -> bool:
    """Writes the preview of an image; False when it cannot be shown."""
    try:
        found = small_jpeg(image, SIDE, MOST_BYTES)
    except (NotAnImage, TooManyPixels):
        return False
    target.write_bytes(found.data)
    return True
