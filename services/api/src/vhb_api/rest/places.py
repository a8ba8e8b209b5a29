"""Where on its image something of a sample is, and how large that image is."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import BaseModel

from vhb_api.rest.context import Context
from vhb_shared.asking.shown import ShownRow
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.errors import NotFound
from vhb_shared.store.cache import Damaged

MOST_IMAGES = 50
_MOST_BOXES = 100
_LONGEST = 2_000
_NUMBERS = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?")


class BoxShown(BaseModel):
    """A place on the sample's first image, in its pixels."""

    of: Literal["data", "answer"]
    """Who says it is there."""
    metric: str | None
    left: float
    top: float
    right: float
    bottom: float


def boxes(spec: RunSpec, row: ShownRow) -> list[BoxShown]:
    """Where the data set and the answer say that something is."""
    found = []
    numbers = [float(each) for each in _NUMBERS.findall((row.answer_bbox or "")[:_LONGEST])]
    if len(numbers) == 4:
        a, b, c, d = _corners(numbers, spec.dataset.box_format or "xyxy")
        found.append(BoxShown(of="data", metric=None, left=a, top=b, right=c, bottom=d))
    for score in row.scores:
        try:
            said = json.loads(score["detail"] or "null")
        except (ValueError, RecursionError):
            continue
        box = said.get("box") if isinstance(said, dict) else None
        if isinstance(box, list) and len(box) == 4 and all(type(each) in (int, float) for each in box):
            a, b, c, d = map(float, box)
            found.append(BoxShown(of="answer", metric=score["metric"], left=a, top=b, right=c, bottom=d))
    return found[:_MOST_BOXES]


def _corners(four: Sequence[float], box_format: str) -> tuple[float, float, float, float]:
    a, b, c, d = four
    match box_format:
        case "yxyx":
            return b, a, d, c
        case "xywh":
            return a, b, a + c, b + d
        case "cxcywh":
            return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return a, b, c, d


async def sizes(context: Context, row: ShownRow) -> dict[str, tuple[int, int]]:
    """Name of an image -> its pixels."""
    found = {}
    for image in row.images[:MOST_IMAGES]:
        try:
            path = await context.results.runs.pinned.path(image.key)
            found[image.name] = await asyncio.to_thread(_size, path)
        except (NotFound, Damaged, OSError, ValueError, ImageProblem):
            continue
    return found


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size
