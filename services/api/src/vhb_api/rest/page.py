"""The web page: files that were built beforehand, and one page for every address in it."""

import asyncio
import gzip
import mimetypes
import secrets
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from vhb_api.rest.problems import Failed

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parents[1] / "page"
"""Where `make web` puts what it builds."""
_NONCE = "VHB-NONCE"
_PLOTLY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-AR/cKIZjWPcPmBUPDA6oti9XBiTbJvz0Cro2J1VzzS8='"
"""The two style attributes that Plotly writes: an empty one, and how pictures of heat maps are magnified."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; "
    f"style-src-attr 'unsafe-hashes' {_PLOTLY}; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; frame-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Nothing runs that is not a file of the page, and nothing is asked of anybody else."""
_PACKED = ("text/", "application/javascript", "application/json", "image/svg+xml")
_LARGEST_PACKED = 8 << 20


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
async def page(path: str, request: Request) -> Response:
    """A file of the page; for any other address the page itself, which knows its addresses."""
    if path == "api" or path.startswith("api/"):
        raise Failed(404, "There is nothing at this address; /api/v1/openapi.json lists what there is.")
    file = await asyncio.to_thread(_file, path)
    packing = "gzip" in request.headers.get("accept-encoding", "")
    if file is not None:
        body, kind, packed = await asyncio.to_thread(_content, file, packing)
        # The names of built files hold a hash of their content.
        lasting = path.startswith("assets/")
        headers = {"Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache"}
        headers |= {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packed else {})
        return Response(body, media_type=kind, headers=headers)
    index = FOLDER / "index.html"
    if not await asyncio.to_thread(index.is_file):
        raise Failed(404, "This service was installed without its web page: `make web` builds it.")
    if path.startswith("assets/"):
        raise Failed(404, "There is no such file: the page was built anew, load it again.")
    nonce = secrets.token_urlsafe(16)
    text = (await asyncio.to_thread(index.read_text, "utf-8")).replace(_NONCE, nonce)
    return Response(text, media_type="text/html", headers={"Content-Security-Policy": _POLICY.format(nonce=nonce)})


def _file(path: str) -> Path | None:
    """The file of an address; None where there is none, or outside of the page."""
    try:
        found = (FOLDER / path).resolve()
        known = path != "index.html" and found.is_relative_to(FOLDER.resolve()) and found.is_file()
    except (OSError, ValueError):
        return None  # no file can be called so
    return found if known else None


def _content(file: Path, packing: bool) -> tuple[bytes, str, bool]:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if kind == "text/javascript":
        kind = "application/javascript"
    size = file.stat()
    if packing and kind.startswith(_PACKED) and size.st_size <= _LARGEST_PACKED:
        return _packed(file, size.st_mtime_ns), kind, True
    return file.read_bytes(), kind, False


@lru_cache(maxsize=256)
def _packed(file: Path, mtime_ns: int) -> bytes:
    return gzip.compress(file.read_bytes(), 6, mtime=0)
