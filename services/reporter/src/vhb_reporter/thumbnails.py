"""Previews of document images: small JPEGs as data URIs. Blocking; call it in a thread."""

import base64
from pathlib import Path

from vhb_reporter.language import gettext
from vhb_reporter.model import Thumbnail
from vhb_shared.datasets.small_images import NotAnImage, TooManyPixels, small_jpeg

MAX_SIDE = (640, 800)
"""Pixels, width and height: a receipt or a letter stays legible."""
_MAX_BYTES = 120_000


def thumbnail(path: Path, name: str) -> Thumbnail:
    """A preview of an image file, at most about 120 kB; a file that cannot be shown yields its problem instead."""
    try:
        found = small_jpeg(path, MAX_SIDE, _MAX_BYTES)
    except TooManyPixels as large:
        size = {"width": large.width, "height": large.height}
        return Thumbnail(name, problem=gettext("too large to preview (%(width)s x %(height)s pixels)") % size)
    except NotAnImage as error:
        problem = gettext("cannot be shown: %(error)s") % {"error": error}
        return Thumbnail(name, problem=problem.replace(str(path), name))
    uri = "data:image/jpeg;base64," + base64.b64encode(found.data).decode()
    return Thumbnail(name, uri, found.width, found.height)
