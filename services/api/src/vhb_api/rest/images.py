"""One image as a response: of a kind that browsers show, never anything that they could run, kept by them for good."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse, Response

from vhb_api.media.thumbnails import Thumbnails, step
from vhb_api.rest.problems import Failed
from vhb_shared.datasets.small_images import NotAnImage, TooManyPixels

NAME = r"^[0-9a-f]{64}\.(png|jpg|webp|gif|bmp|tiff|ppm|jp2)$"
"""How images are named in storage."""
_SHOWN = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "bmp": "image/bmp"}
"""What browsers show as it is; of other kinds they get a JPEG."""
_WIDEST = 2048
_HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


async def image_response(
    request: Request, name: str, width: int | None, thumbnails: Thumbnails, find: Callable[[], Awaitable[Path]]
) -> Response:
    """An image, whole or small.

    Args:
        request: may say which one the client has.
        name: `<sha256>.<ext>`: its content never changes.
        width: about how many pixels wide a JPEG of it should be; None for the image itself.
        thumbnails: make it small.
        find: gives the file.

    Raises:
        Failed: it cannot be shown.
    """
    sha256, _, kind = name.partition(".")
    if width is None and kind not in _SHOWN:
        width = _WIDEST
    small = step(width) if width is not None else None
    tag = f'"{sha256}"' if small is None else f'"{sha256}-{small}"'
    headers = {**_HEADERS, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    path = await find()
    if small is None:
        return FileResponse(path, media_type=_SHOWN[kind], headers=headers)
    try:
        data = await thumbnails.jpeg(name, path, small)
    except TooManyPixels as error:
        raise Failed(422, f"This image is {error}.") from None
    except NotAnImage:
        raise Failed(422, "This image is damaged, and cannot be shown.") from None
    return Response(data, media_type="image/jpeg", headers=headers)
