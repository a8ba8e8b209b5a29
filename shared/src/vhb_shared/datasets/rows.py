"""From a row of named values to a sample: which column means what, whatever the format they came in."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.base import BadRow, ImageSource, Origin, Sample
from vhb_shared.datasets.embedded import text_list
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.table import nearest
from vhb_shared.errors import UserError

IMAGE_COLUMNS = ("images", "image", "image_path", "pages")
REFERENCE_COLUMNS = ("references", "answers", "answer")
TEXT_COLUMNS = (
    "id", "question", "doc_class", "question_type", "split", "document", "answer_bbox", "data_index",
)  # fmt: skip
KNOWN_COLUMNS = (*IMAGE_COLUMNS, *REFERENCE_COLUMNS, *TEXT_COLUMNS, "choices")
"""Columns with a meaning of their own, in every format whose rows have names."""
FILE_COLUMNS = ("_config", "_file")
"""What readers of many files say of the file a row is in; used only where `columns` names them."""
Row = Mapping[str, Any]
Images = Callable[[Any], Iterable[ImageSource]]
"""The images in one value; raises ImageProblem."""
_ABSENT = object()
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class RowReader:
    """Makes samples of rows. Remembers which columns were there, so that a mapping that fits nothing is said so."""

    def __init__(self, how: DatasetSource, images: Images, *, images_required: bool = True) -> None:
        """
        Args:
            how: the mapping of columns, and which others are kept.
            images: what finds the images in the value of an image column.
            images_required: whether a row without any image is bad.
        """
        self._how = how
        self._images = images
        self._images_required = images_required
        self._empty = frozenset(how.empty)
        self._awaited = {column for value in how.columns.values() for column in _listed(value)}
        self._seen: dict[str, None] = {}

    def check_columns(self, found: Collection[str], where: str) -> None:
        """Says which mapped column is missing, where the format has a header.

        Raises:
            UserError: one is.
        """
        for ours, theirs in self._how.columns.items():
            for column in _listed(theirs):
                if column not in found and column.partition(".")[0] not in found:
                    raise UserError(
                        f'{where}: no column "{column}" (named by `columns: {ours}`); found: '
                        f"{', '.join(found)[:500]}{nearest(column, list(found))}"
                    )

    def check_seen(self, where: str) -> None:
        """The same for formats without a header, after the last row."""
        if self._awaited and self._seen:
            self.check_columns(self._seen, where)

    def sample(self, index: int, row: Row, origin: Origin) -> Sample | BadRow:
        """One row as a sample, or what is wrong with it."""
        if self._awaited:
            self._seen.update(dict.fromkeys(row))
        used: set[str] = set()
        image_column, values = self._first(row, IMAGE_COLUMNS, used)
        try:
            images = tuple(image for value in values for image in self._images(value))
        except ImageProblem as problem:
            return BadRow.at(origin, image_column, str(problem))
        if not images and self._images_required:
            wanted = ", ".join(_listed(self._how.columns.get("images")) or IMAGE_COLUMNS)
            found = ", ".join(map(str, row))[:200] or "no column"
            expected = f"expected one of {wanted}, found {found}"
            if image_column is not None:
                expected = "expected an image, found an empty cell"
            return BadRow.at(origin, image_column, expected)
        reference_column, references = self._first(row, REFERENCE_COLUMNS, used)
        # An unmapped `answer` is one text, whatever it looks like.
        lists = "references" in self._how.columns or reference_column != "answer"
        choices = self._values(row, "choices", used)
        texts = {name: _joined(self._values(row, name, used)) for name in TEXT_COLUMNS}
        sample = Sample(
            index=index,
            id=texts["id"] or str(index),
            origin=Origin(origin.file, origin.line, image_column, origin.unit),
            images=images,
            split=texts["split"],
            question=texts["question"],
            references=tuple(_texts(references, lists=lists)),
            doc_class=texts["doc_class"],
            question_type=texts["question_type"],
            answer_bbox=texts["answer_bbox"],
            data_index=texts["data_index"],
            choices=tuple(text for text in _texts(choices, lists=True) if text),
            document=texts["document"],
            fields=self._fields(row, used),
        )
        if not all(map(_storable, (*texts.values(), *sample.references, *sample.choices, *sample.fields.values()))):
            return BadRow.at(origin, None, "expected text, found half a character (a lone surrogate) or NUL")
        return sample

    def _first(self, row: Row, names: tuple[str, ...], used: set[str]) -> tuple[str | None, list[Any]]:
        """The column that holds the images, or the references, and its values; of several the first with any."""
        if names[0] in self._how.columns:
            values = self._values(row, names[0], used)
            columns = _listed(self._how.columns[names[0]])
            return (", ".join(columns) or None), values
        there = [name for name in names if name in row]
        used.update(there)
        found = {name: value for name in there if (value := self._clean(row[name])) is not _ABSENT}
        for name, value in found.items():
            if value != "":
                return name, [value]
        if found and names is REFERENCE_COLUMNS:
            return next(iter(found)), [""]  # an empty cell is an empty reference
        return (there[0] if there else None), []

    def _values(self, row: Row, name: str, used: set[str]) -> list[Any]:
        if name not in self._how.columns:
            if name not in row:
                return []
            used.add(name)
            value = self._clean(row[name])
            return [] if value is _ABSENT else [value]
        columns = _listed(self._how.columns[name])
        values = []
        for column in columns:
            value, top = _at(row, column)
            used.add(top)
            value = self._clean(value)
            if value is not _ABSENT:
                values.append(value)
        return values

    def _clean(self, value: Any) -> Any:
        return _ABSENT if value is None or (isinstance(value, str) and value in self._empty) else value

    def _fields(self, row: Row, used: set[str]) -> dict[str, str]:
        kept = self._how.fields
        names = [name for name in row if name not in used and name not in FILE_COLUMNS] if kept is None else kept
        fields = {}
        for name in names:
            value = self._clean(_at(row, name)[0])
            if value is not _ABSENT and (text := _text(value)) is not None:
                fields[str(name)] = text
        return fields


def _listed(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else value


def _at(row: Row, column: str) -> tuple[Any, str]:
    """The value of a column or, with dots, of a key inside it; and the column it is in."""
    if column in row:
        return row[column], column
    top, _, path = column.partition(".")
    value: Any = row.get(top, _ABSENT)
    for key in path.split(".") if path else ():
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return _ABSENT, top
        value = value.get(key, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    return value, top


def _texts(values: Iterable[Any], *, lists: bool) -> Iterable[str]:
    """The texts of a column that may hold several: a list, or (when `lists`) a list written as text."""
    for value in values:
        items = value if isinstance(value, list | tuple) else None
        if items is None and lists and isinstance(value, str):
            items = text_list(value)
        for item in [value] if items is None else items:
            yield _text(item) or ""


def _joined(values: Iterable[Any]) -> str | None:
    """One text of several columns, a line for each; a list of texts is one line."""
    lines = [line for value in values if (line := _line(value))]
    return lines[0] if len(lines) == 1 else "\n".join(lines) or None


def _line(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return _text(value)


def _text(value: Any) -> str | None:
    """Texts as they are, anything else as its JSON; null, an empty text and bytes are nothing."""
    if value is None or value == "" or value is _ABSENT or isinstance(value, bytes):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _storable(text: str | None) -> bool:
    return text is None or (text.isascii() and "\0" not in text) or _UNSTORABLE.search(text) is None
