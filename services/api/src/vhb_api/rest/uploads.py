"""Files for a job that is handed in over REST."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from vhb_api.rest.context import FILES, Ctx, Submitting
from vhb_api.rest.pages import Cursor, Page, place_of, written
from vhb_api.rest.problems import documented
from vhb_api.submitting.problems import Problem, Refused
from vhb_api.submitting.submitter import Handed, Wishes
from vhb_api.submitting.written import job_file
from vhb_api.uploads.contents import Contents, contents, data_sets
from vhb_api.uploads.examples import example_files, example_names, fill
from vhb_api.uploads.upload import Upload
from vhb_shared.documents.read import read_text

router = APIRouter(prefix="/uploads", tags=["uploads"], responses=documented(409))
examples = APIRouter(tags=["uploads"], responses=documented())

UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="An upload of one's own.")]
_Name = Annotated[str, Path(max_length=4000, description="Its path below the upload's folder, with slashes.")]


class NewUpload(BaseModel):
    """An upload to be made."""

    name: str = Field("data", max_length=200)
    """What its folder is called: reports call data sets by their folder."""
    example: str | None = Field(None, max_length=100)
    """Begin with the files of this example (`GET /examples`)."""


class UploadEntry(BaseModel):
    """An upload."""

    upload_id: str
    name: str
    files: int
    bytes: int
    made_at: datetime
    expires_at: datetime
    """When it is removed, if nobody uses it until then."""


class UploadedFile(BaseModel):
    """A file of an upload."""

    path: str
    bytes: int


class FoundDataset(BaseModel):
    """What in an upload can be a task's `dataset`."""

    source: str
    reader: str | None
    """Who reads it; null for an archive, which is looked into when it is read."""
    columns: list[str]


class UploadContents(BaseModel):
    """What an upload holds."""

    job_file: str | None
    """The name of its job file."""
    text: str | None
    """What is in it; a `user_config.csv` as the YAML that means the same."""
    problems: list[Problem] = []
    """Why a `user_config.csv` means nothing."""
    datasets: list[FoundDataset]


@router.post("", status_code=201)
async def make(context: Ctx, who: Submitting, asked: NewUpload | None = None) -> UploadEntry:
    """Make an upload; it goes a day after its last use."""
    wanted = asked or NewUpload()
    files = await asyncio.to_thread(example_files, wanted.example) if wanted.example is not None else []
    made = await context.uploads.make(who.token_id, wanted.name)
    if wanted.example is not None:
        await fill(context.uploads, made, wanted.example, files)
    return _entry(context, made)


@router.get("/{upload_id}")
async def show(upload_id: UploadId, context: Ctx, who: Submitting) -> UploadEntry:
    """How much is in it."""
    return _entry(context, await context.uploads.find(upload_id, who.token_id))


@router.delete("/{upload_id}", status_code=204, response_class=Response)
async def remove(upload_id: UploadId, context: Ctx, who: Submitting) -> None:
    """Remove it. Jobs that were handed in with it have their data in storage, and go on."""
    await context.uploads.remove(await context.uploads.find(upload_id, who.token_id))


@router.get("/{upload_id}/files")
async def list_files(
    upload_id: UploadId,
    context: Ctx,
    who: Submitting,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    cursor: Cursor = None,
) -> Page[UploadedFile]:
    """Its files, by name."""
    upload = await context.uploads.find(upload_id, who.token_id)
    place = place_of(cursor, str)
    names = sorted(name for name in upload.sizes if place is None or name > str(place[0]))
    items = [UploadedFile(path=name, bytes=upload.sizes[name]) for name in names[:limit]]
    return Page[UploadedFile](items=items, next=written(names[limit - 1]) if len(names) > limit else None)


@router.put(
    "/{upload_id}/files/{name:path}",
    tags=[FILES],
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def put(upload_id: UploadId, name: _Name, request: Request, context: Ctx, who: Submitting) -> UploadedFile:
    """Put a file there: the body is its content. One of the same name is replaced."""
    request.state.unwritten = True  # thousands of files are one upload in the audit log
    upload = await context.uploads.find(upload_id, who.token_id)
    size = await context.uploads.put(upload, name, request.stream())
    return UploadedFile(path=name, bytes=size)


@router.delete("/{upload_id}/files/{name:path}", status_code=204, tags=[FILES], response_class=Response)
async def remove_file(upload_id: UploadId, name: _Name, context: Ctx, who: Submitting) -> None:
    """Remove one file."""
    upload = await context.uploads.find(upload_id, who.token_id)
    await context.uploads.remove_file(upload, name)


@router.get("/{upload_id}/contents")
async def look(upload_id: UploadId, context: Ctx, who: Submitting) -> UploadContents:
    """Its job file, and what in it can be read as a data set; an archive alone is looked into."""
    upload = await context.uploads.find(upload_id, who.token_id)
    with upload.reading():
        found = await contents(upload, context.uploads)
        shown = await asyncio.to_thread(_shown, found)
        if found.job is None:
            return shown
        try:
            text = await _text(context, found.folder, found.job)
        except Refused as refused:
            return shown.model_copy(update={"problems": refused.problems})
        return shown.model_copy(update={"text": text})


async def _text(context: Ctx, folder: FilePath, job: FilePath) -> str:
    most = int(context.settings.max_body_mib * (1 << 20))
    text = await asyncio.to_thread(read_text, job, "job file", most)
    if job.suffix.lower() != ".csv":
        return text
    handed = Handed(text.encode(), "csv", job.name, folder)
    async with context.submitter.read(handed, Wishes()) as (loaded, registry):
        return await asyncio.to_thread(job_file, loaded.spec, registry)


def _shown(found: Contents) -> UploadContents:
    return UploadContents(
        job_file=found.job.name if found.job is not None else None,
        text=None,
        datasets=[
            FoundDataset(source=each.source, reader=each.reader, columns=list(each.columns))
            for each in data_sets(found)
        ],
    )


@examples.get("/examples")
async def list_examples(context: Ctx, who: Submitting) -> list[str]:
    """Jobs with their data, to begin with: `POST /uploads` with `{"example": NAME}`."""
    return await asyncio.to_thread(example_names)


def _entry(context: Ctx, upload: Upload) -> UploadEntry:
    return UploadEntry(
        upload_id=upload.upload_id,
        name=upload.name,
        files=len(upload.sizes),
        bytes=upload.bytes,
        made_at=upload.made_at,
        expires_at=datetime.now(UTC) + timedelta(hours=context.uploads.bounds.hours),
    )
