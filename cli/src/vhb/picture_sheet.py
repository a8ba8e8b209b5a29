"""The picture sheet of a data set: one HTML file with thumbnails, no script and no network. What comes from the data is
escaped and cut to a bound."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from vhb.inspection import Shown
from vhb_reporter.thumbnails import thumbnail
from vhb_shared.datasets.base import BadRow

PAGES_SHOWN = 6
LONGEST = 600
_FEW = 8
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Box(NamedTuple):
    """A box as shares of the image, in per cent."""

    left: float
    top: float
    width: float
    height: float


def write_sheet(path: Path, title: str, rows: Sequence[Shown | BadRow], box_format: str | None) -> None:
    """Writes the file. Blocks.

    Args:
        path: where to.
        title: the data set.
        rows: samples and bad rows, in order.
        box_format: what the numbers of boxes mean; boxes of an unknown convention are not drawn.
    """
    environment = Environment(
        loader=PackageLoader("vhb"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cut"] = _cut
    html = environment.get_template("picture_sheet.html.j2").render(
        title=title,
        samples=[_sample(row, box_format) for row in rows if isinstance(row, Shown)],
        problems=[str(row) for row in rows if isinstance(row, BadRow)],
    )
    path.write_text(html, encoding="utf-8", errors="replace")


def _sample(shown: Shown, box_format: str | None) -> dict[str, Any]:
    sample = shown.sample
    pictures = [thumbnail(file, label) for label, file in shown.images[:PAGES_SHOWN]]
    about = {
        "class": sample.doc_class,
        "question type": sample.question_type,
        "split": sample.split,
        "document": sample.document,
        "box": f"{sample.answer_bbox} ({box_format or 'order unknown'})" if sample.answer_bbox else None,
        **dict(list(sample.fields.items())[:_FEW]),
    }
    size = _size(shown.images[0][1]) if shown.images else None
    return {
        "id": sample.id,
        "question": sample.question,
        "choices": sample.choices,
        "references": sample.references[:_FEW],
        "more_references": max(0, len(sample.references) - _FEW),
        "pictures": pictures,
        "more_pages": max(0, len(shown.images) - PAGES_SHOWN),
        "about": {name: value for name, value in about.items() if value},
        "box": _box(sample.answer_bbox, box_format, size) if len(shown.images) == 1 else None,
    }


def _size(file: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(file) as image:
        return image.size


def _box(text: str | None, box_format: str | None, size: tuple[int, int] | None) -> Box | None:
    """Where the box lies; None when that is not known, or it is no box inside the image."""
    numbers = [float(number) for number in _NUMBER.findall(text or "")[:5]]
    if len(numbers) != 4 or box_format is None or size is None:
        return None
    a, b, c, d = numbers
    left, top, right, bottom = {
        "xyxy": (a, b, c, d),
        "xywh": (a, b, a + c, b + d),
        "yxyx": (b, a, d, c),
        "cxcywh": (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
    }[box_format]
    width, height = (1, 1) if max(map(abs, numbers)) <= 1 else size
    shares = (left / width, top / height, right / width, bottom / height)
    if not (-0.01 <= shares[0] < shares[2] <= 1.01 and -0.01 <= shares[1] < shares[3] <= 1.01):
        return None
    return Box(*(round(100 * s, 2) for s in (shares[0], shares[1], shares[2] - shares[0], shares[3] - shares[1])))


def _cut(text: object) -> str:
    """A text within bounds, with what is left out counted."""
    whole = str(text).replace("\0", "�")
    return whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}… ({len(whole) - LONGEST} more)"
