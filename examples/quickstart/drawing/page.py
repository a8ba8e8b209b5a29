"""`Page`: a sheet that remembers, line by line, the text that is written on it."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
INK: Colour = (28, 28, 32)
WHITE: Colour = (255, 255, 255)
OVERSAMPLING = 3
"""Pages are drawn larger and reduced at the end: smooth edges, and a bold of a fraction of a pixel."""
WORD_SPACE = 0.3
"""Of the font size. The typeface's own space is so narrow that digits on both sides seem to be one number."""
MIN_GAP = 8
"""Pixels between neighbours on one line; less would read as one word."""


@dataclass(frozen=True)
class Cell:
    """One piece of text on a line.

    Attributes:
        x: pixels from the left edge, to the side that `align` names.
        size: font size in pixels.
    """

    x: float
    text: str
    size: float = 16
    bold: bool = False
    align: Literal["left", "right", "centre"] = "left"
    colour: Colour = INK


@cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("This Pillow was built without FreeType, so it has no scalable typeface; install a wheel.")
    return font


def _length(word: str, size: float) -> float:
    return _font(size * OVERSAMPLING).getlength(word) / OVERSAMPLING


class Page:
    """A white sheet. Lines of text are written from top to bottom and never touch, so the reading order is certain.

    Args:
        width: pixels.
        height: pixels; `image` may cut the sheet shorter.
    """

    def __init__(self, width: int, height: int, paper: Colour = WHITE) -> None:
        self.width = width
        self.height = height
        self._image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), paper)
        self._draw = ImageDraw.Draw(self._image)
        self._lines: list[str] = []
        self._bottom = 0.0

    @property
    def text(self) -> str:
        """Everything written so far in reading order; the pieces of a line are joined by one space."""
        return "\n".join(self._lines)

    def write(self, baseline: float, *cells: Cell) -> None:
        """Writes one visual line.

        Raises:
            ValueError: a piece has a character the typeface lacks, leaves the sheet, or touches its neighbour or the
                line above. The layout is at fault, and the annotation would no longer be certain.
        """
        placed = sorted(((*self._span(cell), cell) for cell in cells), key=lambda item: item[0])
        edge = 0.0
        for left, right, cell in placed:
            if left < edge or right > self.width:
                raise ValueError(f"No room for {cell.text!r} at {left:.0f}..{right:.0f} of a line of {self.width}.")
            edge = right + MIN_GAP
        top = baseline - 0.75 * max(cell.size for cell in cells)
        if top < self._bottom:
            raise ValueError(f"The line {cells[0].text!r} touches the line above it.")
        self._bottom = baseline + 0.25 * max(cell.size for cell in cells)
        for left, _, cell in placed:
            x = left
            for word in cell.text.split():
                self._draw.text(
                    (x * OVERSAMPLING, baseline * OVERSAMPLING),
                    word,
                    font=_font(cell.size * OVERSAMPLING),
                    fill=cell.colour,
                    anchor="ls",
                    stroke_width=1 if cell.bold else 0,
                    stroke_fill=cell.colour,
                )
                x += _length(word, cell.size) + WORD_SPACE * cell.size
        self._lines.append(" ".join(cell.text for _, _, cell in placed))

    def rule(self, y: float, left: float, right: float, colour: Colour = INK, width: float = 1) -> None:
        """A horizontal line."""
        self.box(left, y, right, y + width, fill=colour)

    def dashes(self, y: float, left: float, right: float, colour: Colour = INK) -> None:
        """A broken horizontal line, as cash registers print it."""
        x = left
        while x < right:
            self.rule(y, x, min(x + 7, right), colour, 1.5)
            x += 12

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        *,
        fill: Colour | None = None,
        outline: Colour | None = None,
        width: float = 1,
    ) -> None:
        """A rectangle, filled or not."""
        s = OVERSAMPLING
        corners = (round(left * s), round(top * s), round(right * s) - 1, round(bottom * s) - 1)
        self._draw.rectangle(corners, fill=fill, outline=outline, width=round(width * s))

    def ellipse(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """A filled ellipse."""
        s = OVERSAMPLING
        self._draw.ellipse((left * s, top * s, right * s, bottom * s), fill=fill)

    def polygon(self, points: list[tuple[float, float]], fill: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points], fill=fill)

    def curve(self, points: list[tuple[float, float]], colour: Colour, width: float = 1.5) -> None:
        """A pen stroke through the points."""
        scaled = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * OVERSAMPLING), joint="curve")

    def image(self, height: float | None = None) -> Image.Image:
        """The sheet as an RGB image of `width` x `height` pixels, cut at `height` if that is less than the sheet."""
        rows = min(round(height), self.height) if height is not None else self.height
        sheet = self._image.crop((0, 0, self.width * OVERSAMPLING, rows * OVERSAMPLING))
        return sheet.reduce(OVERSAMPLING)

    def _span(self, cell: Cell) -> tuple[float, float]:
        if not (cell.text.isascii() and cell.text.isprintable() and cell.text == " ".join(cell.text.split())):
            raise ValueError(f"{cell.text!r}: the typeface has printable ASCII only, and spaces must be single.")
        words = cell.text.split()
        length = sum(_length(word, cell.size) for word in words) + WORD_SPACE * cell.size * (len(words) - 1)
        share = {"left": 0.0, "centre": 0.5, "right": 1.0}[cell.align]
        left = cell.x - share * length
        return left, left + length
