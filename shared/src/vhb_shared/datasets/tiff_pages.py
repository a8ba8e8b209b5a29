"""Pages of TIFF files, as scanners and fax machines write them, as images."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vhb_shared.datasets.image_problem import MAX_BYTES, MAX_PIXELS, ImageProblem

if TYPE_CHECKING:
    from PIL import Image

TIFF_SUFFIXES = (".tif", ".tiff")
MAX_PAGES = 5_000
_KEPT_MODES = ("1", "L", "RGB")


def page_count(path: Path) -> int:
    """How many pages a TIFF file has; 1 for what cannot be read, whose check says what is wrong with it.

    Raises:
        ImageProblem: too many.
    """
    try:
        with _opened(path) as image:
            count = int(getattr(image, "n_frames", 1))
    except Exception:  # Pillow's decoders raise whatever they stumble upon in broken data
        return 1
    if count > MAX_PAGES:
        raise ImageProblem(f'expected a TIFF file of at most {MAX_PAGES} pages, "{path.name}" has {count}')
    return count


def page(path: Path, number: int) -> bytes:
    """One page as PNG: black and white, gray or colours as they are, everything else as RGB.

    Args:
        path: a TIFF file.
        number: 0-based.

    Raises:
        ImageProblem: no such page, too big, or it cannot be read.
    """
    label = f"page {number + 1} of {path.name}"
    try:
        with _opened(path) as image:
            count = int(getattr(image, "n_frames", 1))
            if not 0 <= number < count:
                raise ImageProblem(f'expected one of {count} pages of "{path.name}", found page {number + 1}')
            image.seek(number)
            pixels = image.size[0] * image.size[1]
            if pixels > MAX_PIXELS:
                raise ImageProblem(
                    f"expected a page of at most {MAX_PIXELS / 1e6:.0f} megapixels, {label} has {pixels / 1e6:.0f}"
                )
            picture = image.copy() if image.mode in _KEPT_MODES else image.convert("RGB")
    except ImageProblem:
        raise
    except Exception as error:  # as above
        raise ImageProblem(f"expected a page that can be read, {label} cannot ({error})") from error
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


@contextmanager
def _opened(path: Path) -> "Iterator[Image.Image]":
    from PIL import Image  # not at the top: the scheduler imports the readers and opens no image

    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise ImageProblem(f'expected a TIFF file of at most {MAX_BYTES >> 20} MiB, "{path.name}" is none')
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # said better above
    with Image.open(path, formats=("TIFF",)) as image:
        yield image
