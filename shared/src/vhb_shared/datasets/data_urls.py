"""Images as they travel in a request."""

import base64
from pathlib import Path

_MIME_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "ppm": "image/x-portable-pixmap",
    "jp2": "image/jp2",
}


def read_data_url(path: Path, name: str) -> bytes:
    """An image file as an ASCII data URL. Blocks.

    Args:
        path: the file.
        name: its name in storage, whose extension says the format.

    Raises:
        OSError: it cannot be read.
    """
    mime_type = _MIME_TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    return b"data:" + mime_type.encode() + b";base64," + base64.b64encode(path.read_bytes())
