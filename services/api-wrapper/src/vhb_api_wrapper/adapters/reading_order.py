"""Puts recognised boxes into reading order: lines from top to bottom, boxes of a line from left to right.

A page seldom lies straight, so the boxes are first turned by the page's skew (the median slope of the boxes, the
wide ones counting more), then gathered into lines by vertical overlap. Units are pixels; y grows downwards.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

Point = tuple[float, float]
Quad = Sequence[Sequence[float]]
"""Four corners (x, y): top left, top right, bottom right, bottom left, as the text runs."""

# Steeper than this is not a skewed page but text that runs another way; it says nothing about the page.
_MAX_SKEW = math.radians(30)
# Two boxes are of one line when they share this part of the lower one's height ...
_MIN_VERTICAL_OVERLAP = 0.5
# ... and do not lie above one another by more than this part of the narrower one's width.
_MAX_HORIZONTAL_OVERLAP = 0.5


@dataclass(frozen=True)
class _Box:
    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def centre(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top


def text_in_reading_order(boxes: Iterable[tuple[Quad, str]]) -> str:
    """Joins the texts: a line break between lines, a space between the boxes of a line.

    Args:
        boxes: the corners of each box and its text; in any order.
    """
    found = [(quad, text.strip()) for quad, text in boxes if text.strip()]
    skew = _skew([quad for quad, _ in found])
    straight = sorted((_straighten(quad, text, skew) for quad, text in found), key=lambda box: (box.centre, box.left))
    lines: list[list[_Box]] = []
    for box in straight:
        # From the last line back: the boxes come by height, so the right line is among the last few.
        best = max(reversed(lines), key=lambda line: _overlap(line, box), default=None)
        if best is not None and _overlap(best, box) >= _MIN_VERTICAL_OVERLAP:
            best.append(box)
        else:
            lines.append([box])
    lines.sort(key=lambda line: median(box.centre for box in line))
    return "\n".join(" ".join(box.text for box in sorted(line, key=lambda box: box.left)) for line in lines)


def _skew(quads: Sequence[Quad]) -> float:
    """Angle of the lines in radians, clockwise positive: the median of the boxes' top edges, weighted by width."""
    slopes: list[tuple[float, float]] = []
    for quad in quads:
        dx, dy = quad[1][0] - quad[0][0], quad[1][1] - quad[0][1]
        angle = math.atan2(dy, dx)
        if abs(angle) <= _MAX_SKEW:
            slopes.append((angle, math.hypot(dx, dy)))
    slopes.sort()
    half, passed = sum(width for _, width in slopes) / 2, 0.0
    for angle, width in slopes:
        passed += width
        if passed >= half:
            return angle
    return 0.0


def _straighten(quad: Quad, text: str, skew: float) -> _Box:
    cos, sin = math.cos(skew), math.sin(skew)
    xs = [x * cos + y * sin for x, y in quad]
    ys = sorted(y * cos - x * sin for x, y in quad)
    # The mean of the two upper and of the two lower corners: a box a little more slanted than the page is no taller.
    return _Box(text, min(xs), max(xs), top=(ys[0] + ys[1]) / 2, bottom=(ys[2] + ys[3]) / 2)


def _overlap(line: Sequence[_Box], box: _Box) -> float:
    """Part of the lower height that `box` shares with the line, 0 when it lies above or below one of its boxes.

    The line's extent is the median of its boxes', so that one tall box does not draw its neighbours' lines in.
    """
    for other in line:
        shared = min(other.right, box.right) - max(other.left, box.left)
        if shared > _MAX_HORIZONTAL_OVERLAP * max(1.0, min(other.right - other.left, box.right - box.left)):
            return 0.0
    top, bottom = median(other.top for other in line), median(other.bottom for other in line)
    shared_height = min(bottom, box.bottom) - max(top, box.top)
    return shared_height / max(1.0, min(bottom - top, box.height))
