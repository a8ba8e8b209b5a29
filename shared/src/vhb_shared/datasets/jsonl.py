"""JSON Lines: one sample a line, images beside the file or embedded."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vhb_shared.datasets.base import BadRow, DatasetReader, ImageSource, Origin, Sample
from vhb_shared.datasets.embedded import decode_image
from vhb_shared.datasets.folder import resolve_inside
from vhb_shared.datasets.images import ImageProblem
from vhb_shared.errors import UserError

LINE_LIMIT = 512 * 1024 * 1024
_IMAGES = ("images", "image", "image_path")
_REFERENCES = ("references", "answers", "answer")


class JsonlReader(DatasetReader):
    """Keys: `image`, `images` or `image_path` (path beside the file, or data URL; one or a list), `question`,
    `answer`, `answers` or `references` (one or a list), and the optional columns of the annotation folder.

    The sample id is `id`, else the 0-based row number. Blank lines are no rows.
    """

    name = "jsonl"
    describe = "a .jsonl file"

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.suffix.lower() in (".jsonl", ".ndjson") and path.is_file()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        root = os.path.realpath(path.parent)
        index = 0
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LINE_LIMIT + 1):
                number += 1
                if len(line) > LINE_LIMIT:
                    raise UserError(f"{path}, line {number}: longer than {LINE_LIMIT >> 20} MiB; not JSON Lines")
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield _sample(index, line, Origin(path.name, number), root)
                    index += 1


def _sample(index: int, line: bytes, origin: Origin, root: str) -> Sample | BadRow:
    def bad(column: str | None, expected: str) -> BadRow:
        return BadRow(origin.file, origin.line, column, expected)

    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return bad(None, "is not UTF-8, expected text saved as UTF-8")
    except json.JSONDecodeError as error:
        return bad(None, f"expected a JSON object, malformed at character {error.pos + 1} ({error.msg})")
    except (RecursionError, ValueError):
        return bad(None, "expected a JSON object, found one nested too deeply or with too long a number")
    if not isinstance(row, dict):
        return bad(None, f"expected a JSON object, found {type(row).__name__}")
    column = next((name for name in _IMAGES if row.get(name)), None)
    if column is None:
        return bad(None, f"expected one of {', '.join(_IMAGES)}, found {', '.join(map(str, row))[:200] or 'no key'}")
    try:
        images = tuple(_image(item, root) for item in _listed(row[column]))
    except ImageProblem as problem:
        return bad(column, str(problem))
    references = next((_listed(row[name]) for name in _REFERENCES if row.get(name) is not None), [])
    sample = Sample(
        index=index,
        id=_text(row.get("id")) or str(index),
        origin=Origin(origin.file, origin.line, column),
        images=images,
        split=_text(row.get("split")),
        question=_text(row.get("question")),
        references=tuple(_text(item) or "" for item in references),
        doc_class=_text(row.get("doc_class")),
        question_type=_text(row.get("question_type")),
        answer_bbox=_text(row.get("answer_bbox")),
        data_index=_text(row.get("data_index")),
    )
    texts = (sample.id, sample.split, sample.question, *sample.references, sample.doc_class, sample.question_type)
    texts += (sample.answer_bbox, sample.data_index)
    if any(text is not None and not _is_storable(text) for text in texts):
        return bad(None, "expected text, found half a character (a lone surrogate) or NUL")
    return sample


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str | None:
    """Texts as they are, anything else as its JSON; null and an empty text are nothing."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _image(item: Any, root: str) -> ImageSource:
    if not isinstance(item, str):
        raise ImageProblem(f"expected the path of an image or a data URL, found {type(item).__name__}")
    if item.startswith("data:"):
        return ImageSource(data=decode_image(item), label="the image")
    path = None if "\0" in item else resolve_inside(root, item)
    if path is None:
        raise ImageProblem(f'expected a path inside the folder of the data set, "{item[:200]}" leaves it')
    return ImageSource(path=path, label=item)
