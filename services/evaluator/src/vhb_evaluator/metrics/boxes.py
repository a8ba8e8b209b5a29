"""Boxes: how they are written, and how much two of them share."""

import re
from typing import Any, Literal, NamedTuple

from vhb_evaluator.metrics.json_answers import Unreadable, read_json

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
