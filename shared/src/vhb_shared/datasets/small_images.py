"""Images made small enough to look at. Blocking; call it in a thread."""

import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 50_000_000
"""An image with more is not decoded, unless it is a JPEG, which decodes at a fraction of its size."""
_QUALITIES = (74, 55, 35)


class SmallImage(NamedTuple):
    """A small JPEG."""

    data: bytes
    width: int
    height: int


class TooManyPixels(Exception):  # noqa: N818 - a condition of the image
    """An image that is not decoded, because it has too many pixels."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(f"too large to be shown small ({width} x {height} pixels)")
        self.width, self.height = width, height


class NotAnImage(Exception):  # noqa: N818 - a condition of the file
    """A file that cannot be decoded."""


def small_jpeg(path: Path, side: tuple[int, int], most_bytes: int) -> SmallImage:
    """An image file as a JPEG within `side` pixels and about `most_bytes`.

    Raises:
        TooManyPixels: see `MAX_PIXELS`.
        NotAnImage: it is damaged, or of another kind.
    """
    width, height = side
    try:
        with Image.open(path) as image:
            image.draft("RGB", (width * 2, height * 2))
            if image.width * image.height > MAX_PIXELS:
                raise TooManyPixels(image.width, image.height)
            image.load()
            # Scans of one bit or with a palette can only be shrunk smoothly as greys or colours.
            whole = image.convert("L" if image.mode == "1" else "RGBA") if image.mode in ("1", "P") else image
            whole.thumbnail((width * 2, height * 2), Image.Resampling.BOX, reducing_gap=2.0)
            small = _flat(ImageOps.exif_transpose(whole))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise NotAnImage(str(error)) from error
    small.thumbnail(side, Image.Resampling.LANCZOS)
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        data = buffer.getvalue()
        if len(data) <= most_bytes:
            break
    return SmallImage(data, small.width, small.height)


def _flat(image: Image.Image) -> Image.Image:
    """RGB, transparency over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        flat = Image.new("RGB", layer.size, "white")
        flat.paste(layer, mask=layer.getchannel("A"))
        return flat
    return image.convert("RGB")
