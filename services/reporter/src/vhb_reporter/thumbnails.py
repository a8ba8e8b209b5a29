"""Previews of document images: small JPEGs as data URIs. Blocking; call it in a thread."""

import base64
import io
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from vhb_reporter.model import Thumbnail

MAX_SIDE = (640, 800)
"""Pixels, width and height: a receipt or a letter stays legible."""
MAX_PIXELS = 50_000_000
"""An image with more is not decoded, unless it is a JPEG, which decodes at a fraction of its size."""
_MAX_BYTES = 120_000
_QUALITIES = (74, 55, 35)


def thumbnail(path: Path, name: str) -> Thumbnail:
    """A preview of an image file, at most about 120 kB; a file that cannot be shown yields its problem instead."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (MAX_SIDE[0] * 2, MAX_SIDE[1] * 2))
            if image.width * image.height > MAX_PIXELS:
                return Thumbnail(name, problem=f"too large to preview ({image.width} x {image.height} pixels)")
            image.load()
            # Scans of one bit or with a palette can only be shrunk smoothly as greys or colours.
            whole = image.convert("L" if image.mode == "1" else "RGBA") if image.mode in ("1", "P") else image
            whole.thumbnail((MAX_SIDE[0] * 2, MAX_SIDE[1] * 2), Image.Resampling.BOX, reducing_gap=2.0)
            small = _flat(ImageOps.exif_transpose(whole))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        return Thumbnail(name, problem=f"cannot be shown: {error}".replace(str(path), name))
    small.thumbnail(MAX_SIDE, Image.Resampling.LANCZOS)
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        data = buffer.getvalue()
        if len(data) <= _MAX_BYTES:
            break
    return Thumbnail(name, "data:image/jpeg;base64," + base64.b64encode(data).decode(), small.width, small.height)


def _flat(image: Image.Image) -> Image.Image:
    """RGB, transparency over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        flat = Image.new("RGB", layer.size, "white")
        flat.paste(layer, mask=layer.getchannel("A"))
        return flat
    return image.convert("RGB")
