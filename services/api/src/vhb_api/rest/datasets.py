"""Data sets in storage: counts, samples, images."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from vhb_api.rest.context import FILES, Ctx, Viewer
from vhb_api.rest.images import NAME, image_response
from vhb_api.rest.pages import Cursor, Page, place_of, written
from vhb_api.rest.problems import documented
from vhb_shared.datasets.describe import Description

router = APIRouter(prefix="/datasets/{digest}", tags=["data sets"], responses=documented())

Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="A data set: what follows `sha256:`.")]
Width = Annotated[
    int | None, Query(ge=16, le=2048, description="A JPEG about so many pixels wide, instead of the image itself.")
]
_Ids = Annotated[list[str], Query(alias="id", max_length=100, description="These samples only.")]


class SampleImage(BaseModel):
    """An image of a sample."""

    name: str
    url: str
    """Where it is served; `?width=` makes it small."""


class DatasetSample(BaseModel):
    """One row of a data set."""

    index: int
    id: str
    split: str | None
    images: list[SampleImage]
    question: str | None
    references: list[str]
    doc_class: str | None
    question_type: str | None
    answer_bbox: str | None
    data_index: str | None
    choices: list[str]
    document: str | None
    fields: dict[str, Any]
    """Its other columns."""


class StoredDataset(BaseModel):
    """A data set in storage."""

    name: str
    source: str
    """Where it was read from."""
    description: Description


def media_url(digest: str, name: str) -> str:
    """The address of an image of a stored data set."""
    return f"/api/v1/datasets/{digest}/media/{quote(name)}"


@router.get("")
async def show(digest: Digest, context: Ctx, who: Viewer) -> StoredDataset:
    """What is in a data set, in numbers."""
    ref = (await context.datasets.manifest(digest)).dataset
    found = await context.datasets.description(digest)
    return StoredDataset(name=ref.name, source=ref.source, description=found)


@router.get("/samples")
async def list_samples(
    digest: Digest,
    context: Ctx,
    who: Viewer,
    ids: _Ids = [],  # noqa: B006 - never changed
    limit: Annotated[int, Query(ge=1, le=200, description="Samples of a page, at most.")] = 50,
    cursor: Cursor = None,
) -> Page[DatasetSample]:
    """Its samples, in their order."""
    place = place_of(cursor, int)
    after = int(place[0]) if place is not None else -1
    rows = await context.datasets.samples(digest, after, limit + 1, ids)
    shows = (await context.datasets.manifest(digest)).dataset.media_digest
    items = [
        DatasetSample.model_validate(
            row | {"images": [{"name": name, "url": media_url(shows, name)} for name in row["images"]]}
        )
        for row in rows[:limit]
    ]
    more = written(items[-1].index) if len(rows) > limit else None
    return Page[DatasetSample](items=items, next=more)


@router.get(
    "/media/{name}",
    tags=[FILES],
    response_class=Response,
    responses={
        200: {"description": "The image", "content": {"image/*": {}}},
        304: {"description": "The client has it"},
    },
)
async def image(
    digest: Digest,
    name: Annotated[str, Path(pattern=NAME)],
    request: Request,
    context: Ctx,
    who: Viewer,
    width: Width = None,
) -> Response:
    """One of its images, for `<img>`. Its content never changes."""
    return await image_response(request, name, width, context.thumbnails, lambda: context.datasets.image(digest, name))
