"""One sample as a page shows it: bounded, whatever a model or a data set says."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from vhb_api.rest.datasets import media_url
from vhb_api.rest.places import MOST_IMAGES, BoxShown
from vhb_api.rest.run_head import RunHead
from vhb_shared.asking.shown import Sent, ShownImage, ShownRow
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.redaction import Redactor

CUT = 10_000
_SHORT = 2_000
_MOST_TURNS = 20
_MOST_REFERENCES = 50
_MOST_CHOICES = 100


class Cut(BaseModel):
    """A text, or a part of it."""

    text: str
    length: int
    """Of the whole text, in characters."""
    offset: int = 0


class ImageShown(BaseModel):
    """An image of a sample."""

    name: str
    url: str
    width: int | None
    """Pixels; null where it is not in storage any more, or is none."""
    height: int | None


class TurnShown(BaseModel):
    """A solved example before the question."""

    sample: str
    user: Cut
    images: list[ImageShown]
    assistant: Cut


class ScoreShown(BaseModel):
    """One metric's word on the sample."""

    metric: str
    metric_version: str | None
    normalisation: str | None
    status: str
    value: float | None
    detail: Cut | None
    """JSON."""


class AnswerShown(BaseModel):
    """What the model said, and how long it took."""

    outcome: str
    text: Cut | None
    error: Cut | None
    latency_ms: float | None
    ttft_ms: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    attempts: int | None
    finish_reason: str | None
    answered_at: str | None
    replica: str | None
    reused_from: str | None
    fingerprint: str | None


class SampleShown(RunHead):
    """One sample of a run."""

    row: int
    rows: int
    """Of the run."""
    id: str
    sample: str
    """Its id in the data set; differs from `id` where samples are asked several times."""
    sent: Sent
    """verified: the prompts are what was sent, by their hash; differs: they are not; unknown; not answered."""
    system_prompt: Cut | None
    turns: list[TurnShown]
    prompt: Cut
    images: list[ImageShown]
    problem: str | None
    """Why it could not be asked."""
    parameters: dict[str, Any]
    response_schema: Cut | None
    fingerprint: str | None
    choices: list[str]
    references: list[Cut]
    reference_count: int
    answer: AnswerShown | None
    scores: list[ScoreShown]
    boxes: list[BoxShown]


def cut(text: str | None, most: int = CUT) -> Cut | None:
    """The beginning of a text."""
    return None if text is None else Cut(text=text[:most], length=len(text))


def text_of(row: ShownRow, what: str) -> str | None:
    """A text of a sample by its name in the interface; None where there is none."""
    kind, _, number = what.partition(".")
    try:
        match kind:
            case "answer":
                return row.answer["model_answer"] if row.answer is not None else None
            case "error":
                return row.answer["error"] if row.answer is not None else None
            case "prompt":
                return row.user_prompt
            case "system_prompt":
                return row.system_prompt
            case "reference":
                return row.references[int(number)]
            case "detail":
                detail = row.scores[int(number)]["detail"]
                return None if detail is None else str(detail)
    except IndexError:
        pass
    return None


def sample(
    spec: RunSpec,
    place: int,
    row: ShownRow,
    places: list[BoxShown],
    pixels: Mapping[str, tuple[int, int]],
) -> SampleShown:
    """The answer of the route."""
    schema = row.response_schema
    return SampleShown(
        **RunHead.of(spec).model_dump(),
        row=place,
        rows=spec.samples,
        id=row.id,
        sample=row.sample,
        sent=row.sent,
        system_prompt=cut(row.system_prompt),
        turns=[
            TurnShown(
                sample=turn.sample,
                user=_cut(turn.user, _SHORT),
                images=_images(turn.images, pixels),
                assistant=_cut(turn.assistant, _SHORT),
            )
            for turn in row.turns[:_MOST_TURNS]
        ],
        prompt=_cut(row.user_prompt),
        images=_images(row.images, pixels),
        problem=row.problem,
        parameters=Redactor().clean(dict(row.parameters)),
        response_schema=cut(json.dumps(schema, ensure_ascii=False, indent=2)) if schema is not None else None,
        fingerprint=row.fingerprint,
        choices=[each[:_SHORT] for each in row.choices[:_MOST_CHOICES]],
        references=[_cut(each) for each in row.references[:_MOST_REFERENCES]],
        reference_count=len(row.references),
        answer=_answer(row.answer) if row.answer is not None else None,
        scores=[ScoreShown.model_validate({**score, "detail": cut(score["detail"], _SHORT)}) for score in row.scores],
        boxes=places,
    )


def _cut(text: str, most: int = CUT) -> Cut:
    return Cut(text=text[:most], length=len(text))


def _answer(answer: Mapping[str, Any]) -> AnswerShown:
    said = {name: answer.get(name) for name in AnswerShown.model_fields if name not in ("text", "error")}
    return AnswerShown.model_validate(
        said | {"text": cut(answer["model_answer"]), "error": cut(answer.get("error"), _SHORT)}
    )


def _images(images: Sequence[ShownImage], pixels: Mapping[str, tuple[int, int]]) -> list[ImageShown]:
    return [
        ImageShown(
            name=image.name,
            # datasets/<digest>/media/<name>
            url=media_url(image.key.split("/")[1], image.name),
            width=pixels[image.name][0] if image.name in pixels else None,
            height=pixels[image.name][1] if image.name in pixels else None,
        )
        for image in images[:MOST_IMAGES]
    ]
