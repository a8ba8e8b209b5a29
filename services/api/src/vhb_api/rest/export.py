"""All results of a job as one zip file, made while it is sent."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.responses import Response
from zipstream import ZIP_STORED, ZipStream

from vhb_api.rest.artefacts import PIECE, listed
from vhb_api.rest.context import Context, Ctx, JobId, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_shared.errors import NotFound
from vhb_shared.store.base import ObjectInfo

router = APIRouter(prefix="/jobs/{job_id}", tags=["results"], responses=documented(413))

MOST_FILES = 100_000
AT_ONCE = 4
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="export")
"""Of their own: they wait for reading, which needs threads too."""


@router.get(
    "/artefacts.zip",
    response_class=Response,
    responses={200: {"description": "The files", "content": {"application/zip": {}}}},
)
async def export(
    job_id: JobId,
    context: Ctx,
    who: Viewer,
    samples: Annotated[bool, Query(description="With samples.html and its files, which may be many.")] = False,
) -> StreamingResponse:
    """The results folder of the job (docs/results.md), uncompressed, so that its length is known at once."""
    files: list[tuple[str, ObjectInfo]] = []
    async for name, info in listed(context, job_id):
        if samples or not name.startswith("samples"):
            files.append((name, info))
        if len(files) > MOST_FILES:
            raise Failed(413, f"The job has more than {MOST_FILES:,} files: fetch them with `vhb results {job_id}`.")
    if not files:
        raise NotFound(f"result of job {job_id} yet")
    made = ZipStream(compress_type=ZIP_STORED, sized=True)
    loop = asyncio.get_running_loop()
    for name, info in files:
        made.add(_pieces(context, info, loop), _safe(f"{job_id}/{name}"), size=info.size)
    headers = {
        "Content-Length": str(len(made)),
        "Content-Disposition": f'attachment; filename="{job_id}.zip"',
    }
    return StreamingResponse(_sent(made), headers=headers, media_type="application/zip")


async def _sent(made: ZipStream) -> AsyncIterator[bytes]:
    pieces, loop = iter(made), asyncio.get_running_loop()
    # The library asks for a file's bytes in the middle of its own work: in a thread, which waits for the loop.
    while (piece := await loop.run_in_executor(_threads, next, pieces, None)) is not None:
        yield piece


def _pieces(context: Context, info: ObjectInfo, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    at = 0
    while at < info.size:
        reading = context.store.get_range(info.key, at, min(PIECE, info.size - at))
        piece = asyncio.run_coroutine_threadsafe(reading, loop).result()
        if not piece:
            # It was written anew meanwhile, and is shorter: the client sees that the file is not whole.
            raise EOFError(info.key)
        yield piece
        at += len(piece)


def _safe(name: str) -> str:
    """A name that every program unpacks within its folder, whatever a run is called."""
    parts = (re.sub(r'[\\:*?"<>|\x00-\x1f\x7f]', "_", part) for part in name.split("/"))
    return "/".join(f"_{part}" if part in ("", ".", "..") else part for part in parts)
