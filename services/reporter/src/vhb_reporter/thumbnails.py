"""Previews of document images: small JPEGs as data URIs. Blocking; call it in a thread."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from vhb_reporter.language import gettext
from vhb_reporter.model import Thumbnail

MAX_SIDE = (640, 800)
"""Pixels, width and height: a receipt or a letter stays legible."""
MAX_PIXELS = 50_000_000
"""An image with more is not decoded, unless it is a JPEG, which decodes at a fraction of its size."""
_MAX_BYTES = 120_000
_QUALITIES = (74, 55, 35)


class Encoded(NamedTuple):
    """A small JPEG."""

    data: bytes
    width: int
    height: int


def thumbnail(path: Path, name: str) -> Thumbnail:
    """A preview of an image file, at most about 120 kB; a file that cannot be shown yields its problem instead."""
    found = encode(path, MAX_SIDE, _MAX_BYTES)
    if isinstance(found, str):
        return Thumbnail(name, problem=found.replace(str(path), name))
    uri = "data:image/jpeg;base64," + base64.b64encode(found.data).decode()
    return Thumbnail(name, uri, found.width, found.height)


def encode(path: Path, side: tuple[int, int], most_bytes: int) -> Encoded | str:
    """An image file as a JPEG within `side` pixels and about `most_bytes`, or what is wrong with it."""
    width, height = side
    try:
        with Image.open(path) as image:
            image.draft("RGB", (width * 2, height * 2))
            if image.width * image.height > MAX_PIXELS:
                return gettext("too large to preview (%(width)s x %(height)s pixels)") % {
                    "width": image.width,
                    "height": image.height,
                }
            image.load()
            # Scans of one bit or with a palette can only be shrunk smoothly as greys or colours.
            whole = image.convert("L" if image.mode == "1" else "RGBA") if image.mode in ("1", "P") else image
            whole.thumbnail((width * 2, height * 2), Image.Resampling.BOX, reducing_gap=2.0)
            small = _flat(ImageOps.exif_transpose(whole))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        return gettext("cannot be shown: %(error)s") % {"error": error}
    small.thumbnail(side, Image.Resampling.LANCZOS)
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        data = buffer.getvalue()
        if len(data) <= most_bytes:
            break
    return Encoded(data, small.width, small.height)


def _flat(image: Image.Image) -> Image.Image:
    """RGB, transparency over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        flat = Image.new("RGB", layer.size, "white")
        flat.paste(layer, mask=layer.getchannel("A"))
        return flat
    return image.convert("RGB")
