"""The files of a job's results."""

import asyncio
import mimetypes
import re
from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Header, Path
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.responses import Response

from vhb_api.db import queries
from vhb_api.rest import answers
from vhb_api.rest.context import Context, Ctx, JobId, Viewer
from vhb_api.rest.jobs import check_known
from vhb_api.rest.problems import Failed, documented
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectInfo
from vhb_shared.store.results import JOB_FILES, is_run_result

router = APIRouter(prefix="/jobs/{job_id}/artefacts", tags=["results"], responses=documented())

PIECE = 4 << 20
PRESIGNED_S = 600
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_INERT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
"""Reports are pages: they may have styles and pictures of their own, and run nothing."""
_Range = Annotated[str | None, Header(alias="Range", max_length=200)]
_Name = Annotated[str, Path(max_length=1000)]


class _Part(NamedTuple):
    start: int
    length: int


@router.get("")
async def list_artefacts(job_id: JobId, context: Ctx, who: Viewer) -> list[answers.Artefact]:
    """Every file of the results."""
    await check_known(context, job_id)
    return [answers.Artefact(name=name, bytes=info.size) async for name, info in listed(context, job_id)]


async def listed(context: Context, job_id: str) -> AsyncIterator[tuple[str, ObjectInfo]]:
    """Every file of a job's results by its name, with the object that it is."""
    names = await _runs(context, job_id)
    prefix = layout.job_prefix(job_id)
    async for info in context.store.list(prefix):
        if _is_of_job(name := info.key.removeprefix(prefix)):
            yield name, info
    for run_name, run_id in names.items():
        below = layout.run_prefix(run_id)
        async for info in context.store.list(below):
            name = info.key.removeprefix(below)
            if is_run_result(name):
                yield f"runs/{run_name}/{name}", info


@router.get(
    "/{name:path}",
    response_class=Response,
    responses=documented(416)
    | {
        200: {"description": "The file", "content": {"application/octet-stream": {}}},
        206: {"description": "A part of it", "content": {"application/octet-stream": {}}},
        307: {"description": "Where it can be fetched for some minutes"},
    },
)
async def fetch(job_id: JobId, name: _Name, context: Ctx, who: Viewer, range_: _Range = None) -> Response:
    """One file, or a part of it (`Range: bytes=0-1023`)."""
    key = await _key(context, job_id, name)
    size = await _size(context, key, name)
    if context.public_store is not None:
        address = context.public_store.presigned(key, PRESIGNED_S)
        if address is not None:
            return RedirectResponse(address, 307)
    part = _part(range_, size)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(part.length if part is not None else size),
        "Content-Security-Policy": _INERT,
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(layout.file_name(key), safe='')}",
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.start + part.length - 1}/{size}"
    content = _content(context, key, part or _Part(0, size))
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return StreamingResponse(content, 206 if part is not None else 200, headers=headers, media_type=kind)


async def _content(context: Context, key: str, part: _Part) -> AsyncIterator[bytes]:
    at, end = part.start, part.start + part.length
    while at < end:
        piece = await context.store.get_range(key, at, min(PIECE, end - at))
        if not piece:
            return  # it was written anew meanwhile, and is shorter now
        yield piece
        at += len(piece)


async def _runs(context: Context, job_id: str) -> dict[str, str]:
    def ask() -> dict[str, str]:
        with context.database.reading() as session:
            return queries.run_names(session, job_id)

    return await asyncio.to_thread(ask)


def _is_of_job(name: str) -> bool:
    return name in JOB_FILES or name.startswith("samples/")


async def _key(context: Context, job_id: str, name: str) -> str:
    """Where a file lies in storage.

    Raises:
        NotFound: nothing of the results is named so.
    """
    if _is_of_job(name) and ".." not in name.split("/"):
        return layout.job_file(job_id, name)
    if name.startswith("runs/"):
        below = name.removeprefix("runs/")
        # A run's name may hold a slash.
        for run_name, run_id in (await _runs(context, job_id)).items():
            file = below.removeprefix(f"{run_name}/")
            if file != below and is_run_result(file) and ".." not in file.split("/"):
                return layout.run_file(run_id, file)
    raise NotFound(f"artefact {name!r} of job {job_id}")


async def _size(context: Context, key: str, name: str) -> int:
    try:
        async for info in context.store.list(key):
            if info.key == key:
                return info.size
            break
    except ValueError:
        pass  # no key is written so
    raise NotFound(f"artefact {name!r}")


def _part(wanted: str | None, size: int) -> _Part | None:
    """What a range header asks for; None for all of it, which is also the answer to what is not understood.

    Raises:
        Failed: the file has no such part.
    """
    found = _RANGE.fullmatch(wanted.strip()) if wanted is not None else None
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    else:
        start, end = max(0, size - int(last)), size - 1
    if start >= size or end < start:
        raise Failed(416, f"It has {size} bytes.", headers={"Content-Range": f"bytes */{size}"})
    return _Part(start, end - start + 1)
