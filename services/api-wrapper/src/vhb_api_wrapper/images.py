"""Images of a request: data URLs in, bounded and decodable pictures out."""

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, ImageOps

# Pillow knows some formats that start other programs (EPS) or have no place in a request.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow's decoders were seen to raise on damaged files.
_DAMAGED = (OSError, ValueError, SyntaxError, IndexError, EOFError, OverflowError, Image.DecompressionBombError)


class InvalidImage(Exception):  # noqa: N818 - a condition of the request
    """The image of a request cannot be used; the message says why. HTTP 400."""


@dataclass(frozen=True)
class ImageInput:
    """An encoded image whose header was checked; the pixels are decoded when asked for."""

    data: bytes
    width: int
    height: int

    @cached_property
    def sha256(self) -> str:
        """Digest of the encoded bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    def rgb(self) -> Image.Image:
        """The picture upright, as RGB; what is transparent becomes white. Decoded anew at each call.

        Raises:
            InvalidImage: the file is damaged.
        """
        try:
            with Image.open(io.BytesIO(self.data), formats=FORMATS) as picture:
                upright = ImageOps.exif_transpose(picture)
                return _to_rgb(upright)
        except _DAMAGED as error:
            raise InvalidImage(f"The image cannot be decoded: {error}.") from error


def decode_data_url(url: str, max_pixels: int) -> ImageInput:
    """Reads `data:[<media type>];base64,<data>` and checks the picture's header, not yet its pixels.

    Raises:
        InvalidImage: another kind of URL, no base64, not an image of a known format, or more than `max_pixels`.
    """
    scheme = url[:8].lower()
    if scheme.startswith(("http:", "https:")):
        raise InvalidImage("This server fetches no images; send the image itself as a data: URL with base64 data.")
    if not scheme.startswith("data:"):
        raise InvalidImage("An image URL must be a data: URL with base64 data.")
    head, comma, payload = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise InvalidImage("The data: URL of an image must read data:<media type>;base64,<data>.")
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(f"The data: URL of an image is not valid base64: {error}.") from error
    width, height = _size(data, max_pixels)
    if width * height > max_pixels:
        raise InvalidImage(_too_large(f"has {width} x {height} pixels", max_pixels))
    return ImageInput(data, width, height)


def _size(data: bytes, max_pixels: int) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            return picture.size
    except Image.DecompressionBombError as error:
        raise InvalidImage(_too_large("has far too many pixels", max_pixels)) from error
    except _DAMAGED as error:
        raise InvalidImage(f"The image is not a readable {', '.join(FORMATS)} file.") from error


def _too_large(what: str, max_pixels: int) -> str:
    return (
        f"The image {what}, more than the {max_pixels / 1e6:g} megapixels this server accepts; "
        "scale it down, or start the server with a larger --max-megapixels."
    )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        picture.load()
        return picture.copy() if picture.readonly else picture
    if picture.mode.startswith("I"):
        # 16-bit grey: Pillow's own conversion clips at 255, which turns a page white.
        return picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        page = Image.new("RGB", layer.size, "white")
        page.paste(layer, mask=layer.getchannel("A"))
        return page
    return picture.convert("RGB")
