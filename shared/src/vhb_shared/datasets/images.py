"""Checking one image: present, really an image, whole, and not too big; and its content's name."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from vhb_shared.contracts.base import WireModel
from vhb_shared.datasets.base import ImageSource
from vhb_shared.datasets.image_problem import MAX_BYTES, MAX_PIXELS, ImageProblem

_EXTENSIONS = {
    "PNG": "png",
    "JPEG": "jpg",
    "MPO": "jpg",  # what phones write: a JPEG with more pictures behind it
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "PPM": "ppm",
    "JPEG2000": "jp2",
}
_FORMATS = tuple(kind for kind in _EXTENSIONS if kind != "MPO")
"""What Pillow is told to look for; it opens MPO files as JPEG, and gives up on those after a kind it cannot open."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image that can be used."""

    sha256: str
    name: str
    """`<sha256>.<ext>`: its name in storage; the extension says the format found, whatever the file was called."""
    width: int
    height: int
    size: int
    """Bytes."""


class ImageTotals(WireModel):
    """The different images of a data set together."""

    bytes: int = 0
    smallest: tuple[int, int] | None = None
    """(width, height) of the one with the fewest pixels."""
    largest: tuple[int, int] | None = None
    formats: dict[str, int] = Field(default_factory=dict)
    """How many there are of each, by extension."""

    def plus(self, image: CheckedImage) -> "ImageTotals":
        """With one more."""
        size = (image.width, image.height)
        kind = image.name.rpartition(".")[2]
        return ImageTotals(
            bytes=self.bytes + image.size,
            smallest=min(filter(None, (self.smallest, size)), key=_pixels),
            largest=max(filter(None, (self.largest, size)), key=_pixels),
            formats={**self.formats, kind: self.formats.get(kind, 0) + 1},
        )


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def read_image(source: ImageSource) -> bytes:
    """The bytes of an image.

    Raises:
        ImageProblem: missing, not a plain file, empty, too many bytes, not readable.
    """
    if source.data is not None:
        data = source.data
    elif source.page is not None:
        assert source.path is not None
        data = _read_page(source.path, source.page, source.dpi)
    else:
        assert source.path is not None
        data = _read_file(source.path, source.label)
    if not data:
        raise ImageProblem(f'expected an image, "{source.label}" is empty')
    return data


def _read_page(path: Path, page: int, dpi: int) -> bytes:
    from vhb_shared.datasets import pdf_pages, tiff_pages  # they need this module's bounds

    if path.suffix.lower() in tiff_pages.TIFF_SUFFIXES:
        return tiff_pages.page(path, page)
    return pdf_pages.render_page(path, page, dpi)


def _read_file(path: Path, label: str) -> bytes:
    try:
        if not path.is_file():  # a pipe or a device would block for ever
            found = "is not a plain file" if path.exists() else "does not exist"
            raise ImageProblem(f'expected an image file, "{label}" {found}')
        if path.stat().st_size > MAX_BYTES:
            raise ImageProblem(f'expected an image of at most {MAX_BYTES >> 20} MiB, "{label}" is bigger')
        return path.read_bytes()
    except OSError as error:
        raise ImageProblem(f'expected an image file, "{label}" cannot be read ({error.strerror})') from error


def check_image(source: ImageSource, max_pixels: int = MAX_PIXELS) -> tuple[CheckedImage, bytes]:
    """Reads an image and looks at it as closely as is cheap.

    PNG: every chunk's checksum. JPEG: the end marker, decoded fully where it is missing. Others: decoded.

    Raises:
        ImageProblem: what is wrong with it.
    """
    from PIL import Image  # not at the top: the scheduler imports this module and opens no image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # at twice the bound Pillow refuses to open; below it the size is known
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # said better below
    data = read_image(source)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ImageProblem(_too_big(source.label, width * height, max_pixels))
            kind = image.format or ""
            if kind == "TIFF" and (pages := getattr(image, "n_frames", 1)) > 1:
                raise ImageProblem(f'expected one image, "{source.label}" is a TIFF file of {pages} pages')
            if kind == "PNG":
                image.verify()
            elif kind not in ("JPEG", "MPO") or b"\xff\xd9" not in data[-4096:]:
                image.load()
    except ImageProblem:
        raise
    except Image.DecompressionBombError as error:
        raise ImageProblem(_too_big(source.label, None, max_pixels)) from error
    except Exception as error:  # Pillow's decoders raise whatever they stumble upon in broken data
        raise ImageProblem(
            f'expected an image (PNG, JPEG, WebP, GIF, BMP, TIFF), "{source.label}" is none or is damaged'
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    return CheckedImage(sha256, f"{sha256}.{_EXTENSIONS[kind]}", width, height, len(data)), data


def _too_big(label: str, pixels: int | None, max_pixels: int) -> str:
    found = f"has {pixels / 1e6:.0f} megapixels" if pixels is not None else "has far more"
    return f'expected an image of at most {max_pixels / 1e6:.0f} megapixels, "{label}" {found}; scale it down'
