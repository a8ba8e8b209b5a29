"""What a job would send: samples of its runs, as the models will see them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from vhb_api.previewing.preview import Asked, Preview
from vhb_api.previewing.preview import Wanted as WantedPart
from vhb_api.rest.context import FILES, Context, Ctx, Submitting
from vhb_api.rest.datasets import SampleImage, Width, media_url
from vhb_api.rest.handing_in import BODY, UploadQuery, Wanted, handed_in
from vhb_api.rest.images import NAME, image_response
from vhb_api.rest.problems import documented

router = APIRouter(tags=["jobs"], responses=documented(415))

_Name = Annotated[str | None, Query(max_length=500)]


class Message(BaseModel):
    """One message of a request."""

    role: str
    images: list[SampleImage]
    """Before the text, in this order."""
    text: str


class PreviewedSample(BaseModel):
    """One row of a run, as it will be asked."""

    id: str
    messages: list[Message]
    problem: str | None
    """Why it cannot be asked."""
    parameters: dict[str, Any]
    """Of the request, beside model and messages."""
    references: list[str]
    choices: list[str]
    columns: dict[str, str]
    """What else the data set says of it."""


class JobPreview(BaseModel):
    """Samples of one run of a job."""

    models: list[str]
    tasks: list[str]
    model: str
    task: str
    runs: list[str]
    """Of this model on this task: several where prompts are compared or images made worse."""
    run: str
    dataset: str
    rows: int
    """Of the run, as far as its data were read."""
    whole: bool
    """Whether they were read to their end; if not, there are more rows."""
    offset: int
    samples: list[PreviewedSample]
    warnings: list[str]


@router.post("/jobs/preview", openapi_extra=BODY)
async def make(
    request: Request,
    context: Ctx,
    who: Submitting,
    wanted: Wanted,
    upload: UploadQuery = None,
    model: _Name = None,
    task: _Name = None,
    run: _Name = None,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
    samples: Annotated[int, Query(ge=1, le=50, description="How many.")] = 10,
) -> JobPreview:
    """What a job would send about some samples; nothing is stored, and nothing is asked."""
    request.state.only_reads = True
    part = WantedPart(model, task, run, offset, samples)
    async with handed_in(request, context, who, upload) as handed:
        preview_id, found = await context.previews.make(handed, wanted.wishes(), part, who.token_id)
    return JobPreview(
        models=found.models,
        tasks=found.tasks,
        model=found.model,
        task=found.task,
        runs=found.runs,
        run=found.run.name,
        dataset=found.run.dataset.name,
        rows=found.rows,
        whole=found.whole,
        offset=offset,
        samples=[await _sample(context, preview_id, found, asked) for asked in found.asked],
        warnings=found.warnings,
    )


@router.get(
    "/previews/{preview_id}/{digest}/{name}",
    tags=[FILES],
    response_class=Response,
    responses={200: {"description": "The image", "content": {"image/*": {}}}},
)
async def image(
    preview_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    name: Annotated[str, Path(pattern=NAME)],
    request: Request,
    context: Ctx,
    who: Submitting,
    width: Width = None,
) -> Response:
    """An image of a preview that is not in storage."""
    return await image_response(
        request, name, width, context.thumbnails, lambda: context.previews.image(preview_id, digest, name, who.token_id)
    )


async def _sample(context: Context, preview_id: str, found: Preview, asked: Asked) -> PreviewedSample:
    question, row = asked.question, asked.row

    async def shown(digest: str, names: tuple[str, ...]) -> list[SampleImage]:
        images = []
        for name in names:
            own = await context.previews.made_here(preview_id, digest, name)
            url = f"/api/v1/previews/{preview_id}/{digest}/{name}" if own else media_url(digest, name)
            images.append(SampleImage(name=name, url=url))
        return images

    messages = [Message(role="system", images=[], text=question.system)] if question.system else []
    for turn in question.turns:
        images = await shown(found.example_images or found.images, turn.images)
        messages += [
            Message(role="user", images=images, text=turn.text),
            Message(role="assistant", images=[], text=turn.answer),
        ]
    messages.append(Message(role="user", images=await shown(found.images, question.images), text=question.text))
    named = ("split", "doc_class", "question_type", "question", "answer_bbox", "document")
    return PreviewedSample(
        id=question.id,
        messages=messages,
        problem=question.problem,
        parameters=dict(asked.parameters),
        references=list(row["references"] or ()),
        choices=list(row["choices"] or ()),
        columns={name: str(row[name]) for name in named if row[name] is not None}
        | {name: str(value) for name, value in row["fields"].items()},
    )
