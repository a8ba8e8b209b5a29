"""Grounding: how well a box covers the right one."""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import Field

from vhb_evaluator.metrics.base import MetricOptions
from vhb_evaluator.metrics.json_answers import Unreadable, read_json
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict, not_scored

BoxFormat = Literal["xyxy", "yxyx", "xywh", "cxcywh"]

_NUMBER = r"\s*(-?\d{1,9}(?:\.\d{0,9})?)\s*"
_IN_TEXT = re.compile(
    rf"[\[(]{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}[\])]"
    rf"|\({_NUMBER},{_NUMBER}\)\s*,?\s*\({_NUMBER},{_NUMBER}\)"
    rf"|^{_NUMBER}[,\s]{_NUMBER}[,\s]{_NUMBER}[,\s]{_NUMBER}$"
)
_KEYS = ("bbox", "bbox_2d", "box", "box_2d", "bounding_box", "answer_bbox", "bboxes")
_CORNERS = ("x1", "y1", "x2", "y2")
_LARGEST = 1e9


class Box(NamedTuple):
    """Corners of a box; x1 <= x2 and y1 <= y2, or it is empty."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def area(self) -> float:
        """0 of an empty box."""
        return max(self.x2 - self.x1, 0.0) * max(self.y2 - self.y1, 0.0)


class BoxOptions(MetricOptions):
    """What a job may set."""

    box_format: BoxFormat = "xyxy"
    """Order of the four numbers: corners (`xyxy`, `yxyx`), corner and size (`xywh`), centre and size (`cxcywh`)."""
    answer_format: BoxFormat | None = None
    """The same for answers alone, where a model has a habit of its own."""
    answer_scale: float = Field(1.0, gt=0)
    """Answers are multiplied by it. Answers and references must then be in the same unit: pixels, or shares."""


class IouAccuracyOptions(BoxOptions):
    """What a job may set."""

    threshold: float = Field(0.5, gt=0, le=1)
    """The lowest intersection over union that counts as found."""


class Iou(StructuredMetric):
    """Intersection over union of the answer's box and the right one, in 0 to 1.

    The right box is the sample's `answer_bbox`, else its references; of several the best covered one counts. Of an
    answer the first box counts: JSON (`[x1, y1, x2, y2]`, a list of such lists, `{"bbox": [...]}`, `{"x1": ...}`), or
    four numbers in brackets anywhere in the text. Without one it is unparsable and scores 0, as does an empty box.
    """

    name = "iou"
    summary = "intersection over union of the answer's box and the right one"
    direction = "higher"
    source = "Jaccard 1912; Everingham et al. 2010, The Pascal Visual Object Classes Challenge, section 4.2"
    needs = ("text", "boxes")
    options_type = BoxOptions
    extremes = (0.0, 1.0)

    def comparable(self) -> pl.Expr:
        """See `Metric.comparable`: a box to compare with, in one place or the other."""
        return (pl.col("raw_references").list.len() > 0) | (pl.col("answer_bbox").fill_null("") != "")

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        assert isinstance(self.options, BoxOptions)
        own = self.options.answer_format or self.options.box_format
        for answer, bbox, references in pairs.select("raw_answer", "answer_bbox", "raw_references").iter_rows():
            try:
                truths = [corners(four, self.options.box_format)
                          for text in ([bbox] if bbox else references) for four in read_boxes(text)]  # fmt: skip
            except Unreadable as error:
                yield not_scored(f"the reference holds no box: {error}")
                continue
            try:
                four = read_boxes(answer)[0]
            except Unreadable as error:
                yield Verdict(0.0, unparsable=True, detail={"unparsable": str(error)})
                continue
            scale = self.options.answer_scale
            found = Box(*(each * scale for each in corners(four, own)))
            value = max(overlap(found, truth) for truth in truths)
            yield Verdict(self.value(value), detail={"box": list(found), "iou": value})

    def value(self, iou: float) -> float:
        """The sample's value, from its intersection over union."""
        return iou


class IouAccuracy(Iou):
    """1 if the intersection over union is at least 0.5 (option `threshold`), else 0; boxes as in `iou`."""

    name = "iou_accuracy"
    summary = "share of boxes with an intersection over union of at least 0.5"
    options_type = IouAccuracyOptions

    def value(self, iou: float) -> float:
        """See `Iou.value`."""
        assert isinstance(self.options, IouAccuracyOptions)
        return float(iou >= self.options.threshold)


def overlap(left: Box, right: Box) -> float:
    """Intersection over union; 0 where nothing is covered."""
    shared = Box(max(left.x1, right.x1), max(left.y1, right.y1), min(left.x2, right.x2), min(left.y2, right.y2)).area
    union = left.area + right.area - shared
    return shared / union if union > 0 else 0.0


def corners(four: tuple[float, float, float, float], box_format: BoxFormat) -> Box:
    """Four numbers as corners."""
    a, b, c, d = four
    if box_format == "yxyx":
        return Box(b, a, d, c)
    if box_format == "xywh":
        return Box(a, b, a + c, b + d)
    if box_format == "cxcywh":
        return Box(a - c / 2, b - d / 2, a + c / 2, b + d / 2)
    return Box(a, b, c, d)


def read_boxes(text: str) -> list[tuple[float, float, float, float]]:
    """The boxes in a text, at least one; at most a hundred.

    Raises:
        Unreadable: there is none.
    """
    try:
        found = _in_json(read_json(text))
    except Unreadable:
        found = []
    if not found:
        match = _IN_TEXT.search(text.strip())
        if match is None:
            raise Unreadable("no box")
        a, b, c, d = (float(each) for each in match.groups() if each is not None)
        found = [(a, b, c, d)]
    return found[:100]


def _in_json(value: Any) -> list[tuple[float, float, float, float]]:
    if isinstance(value, dict):
        if all(_is_number(value.get(key)) for key in _CORNERS):
            a, b, c, d = (float(value[key]) for key in _CORNERS)
            return [(a, b, c, d)]
        return next((found for key in _KEYS if (found := _in_json(value.get(key)))), [])
    if not isinstance(value, list):
        return []
    if len(value) == 4 and all(map(_is_number, value)):
        a, b, c, d = map(float, value)
        return [(a, b, c, d)]
    return [box for item in value[:100] for box in _in_json(item)]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST
