"""VLMEvalKit's TSV: images in base64, or paths beside the file, or the index of another row that has the image."""

import os
import string
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vhb_shared.datasets.base import BadRow, DatasetReader, ImageSource, Origin, PageOptions, Sample
from vhb_shared.datasets.embedded import decode_image, text_list
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.pages import images_at, resolve_inside
from vhb_shared.datasets.rows import RowReader
from vhb_shared.datasets.table import TableRow, read_table
from vhb_shared.errors import UserError

COLUMNS = ("index", "image", "image_path", "question", "answer", "category", "split")
LINE_LIMIT = 512 * 1024 * 1024
_LONGEST_INDEX = 64
"""No image is that short in base64: a shorter cell names a row."""
_RENAMED = {"category": "doc_class", "l2-category": "question_type"}


class TsvReader(DatasetReader):
    """The sample id is the row's `index` (answers made by VLMEvalKit join on it), else the 0-based row number.

    Columns A, B, ... are the choices; a `hint` becomes part of the question. `category` is the document class,
    `l2-category` the question type, unless there are columns of these names. A list of answers is a list of
    references. Other columns are kept.
    """

    name = "tsv"
    describe = "a VLMEvalKit .tsv file"
    options_type = PageOptions
    options: PageOptions

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.suffix.lower() == ".tsv" and path.is_file()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        with tempfile.TemporaryDirectory(prefix="vhb-tsv-") as folder:
            file = _File(path, self.options.dpi, _shared_images(path, Path(folder)))
            rows = RowReader(self.how, file.images)
            for number, row in enumerate(_rows(path)):
                if number == 0:
                    rows.check_columns(row.cells, f"{path}, line 1")
                    if not {"image", "image_path"} & set(row.cells):
                        found = ", ".join(row.cells)[:500]
                        raise UserError(f'{path}, line 1: no such column "image" or "image_path"; found: {found}')
                yield file.sample(number, row, rows)


def _rows(path: Path) -> Iterator[TableRow]:
    return read_table(path, columns=COLUMNS, required=(), delimiters="\t", line_limit=LINE_LIMIT, foreign=True)


def _shared_images(path: Path, folder: Path) -> Mapping[str, Path]:
    """Images that other rows refer to, kept in files: {index of the row: file with the cell's text}."""
    wanted = {cell for row in _rows(path) if _is_index(cell := row.cells.get("image", "").strip())}
    files: dict[str, Path] = {}
    if wanted:
        for row in _rows(path):
            index, cell = row.cells.get("index", "").strip(), row.cells.get("image", "").strip()
            if index in wanted and index not in files and not _is_index(cell):
                files[index] = folder / str(len(files))
                files[index].write_text(cell, encoding="utf-8")
    return files


def _is_index(cell: str) -> bool:
    return 0 < len(cell) <= _LONGEST_INDEX and text_list(cell) is None


class _File:
    def __init__(self, path: Path, dpi: int, shared: Mapping[str, Path]) -> None:
        self._name = path.name
        self._stem = path.stem
        self._root = os.path.realpath(path.parent)
        self._dpi = dpi
        self._shared = shared

    def sample(self, number: int, row: TableRow, rows: RowReader) -> Sample | BadRow:
        origin = Origin(self._name, row.line)
        if row.problem is not None:
            return BadRow.at(origin, None, row.problem)
        cells: dict[str, Any] = {name: cell if name == "answer" else cell.strip() for name, cell in row.cells.items()}
        index = cells.pop("index", None)
        if index == "":
            return BadRow.at(origin, "index", "expected the index of the row, found an empty cell")
        if index is not None:
            cells.setdefault("id", index)
            cells.setdefault("data_index", index)
        try:
            choices = _choices(cells)
        except ValueError as problem:
            return BadRow.at(origin, None, str(problem))
        cells.setdefault("choices", choices)
        if "answer" in cells and (several := text_list(cells["answer"])):
            cells["references"] = several
            del cells["answer"]
        if hint := cells.pop("hint", ""):
            cells["question"] = f"Hint: {hint}\n{cells.get('question', '')}".strip()
        for theirs, ours in _RENAMED.items():
            if not cells.get(ours) and theirs in cells:
                cells[ours] = cells.pop(theirs)
        column = "image" if cells.get("image") else "image_path"
        try:
            found = self._embedded(cells["image"]) if column == "image" else self._beside(cells.get("image_path", ""))
        except ImageProblem as problem:
            return BadRow.at(origin, column, str(problem))
        cells.pop("image_path" if column == "image" else "image", None)
        return rows.sample(number, {**cells, column: found}, origin)

    @staticmethod
    def images(value: Any) -> tuple[ImageSource, ...]:
        """Those that `sample` has found already."""
        if not isinstance(value, tuple):
            raise ImageProblem("expected an image in column image or image_path")
        return value

    def _embedded(self, cell: str) -> tuple[ImageSource, ...]:
        if _is_index(cell):
            if cell not in self._shared:
                raise ImageProblem(f'expected an image or the index of a row that has one, found "{cell}"')
            cell = self._shared[cell].read_text(encoding="utf-8")
        items = text_list(cell) or [cell]
        return tuple(ImageSource(data=decode_image(item), label=f"image {n}") for n, item in enumerate(items, start=1))

    def _beside(self, cell: str) -> tuple[ImageSource, ...]:
        if not cell:
            raise ImageProblem("expected an image, found empty cells")
        found: list[ImageSource] = []
        for name in text_list(cell) or [cell]:
            # VLMEvalKit keeps the images of a file in a folder named after it.
            inside = f"images/{self._stem}/{name}"
            beside = resolve_inside(self._root, inside)
            first = resolve_inside(self._root, name)
            elsewhere = first is not None and not first.exists() and beside is not None and beside.exists()
            found += images_at(self._root, inside if elsewhere else name, self._dpi)
        return tuple(found)


def _choices(cells: dict[str, Any]) -> list[str]:
    """The options, in the order of their letters; their cells are taken out.

    Raises:
        ValueError: one is missing between others, so that those after it would get other letters.
    """
    filled = [letter for letter in string.ascii_uppercase if cells.get(letter)]
    if "".join(filled) != string.ascii_uppercase[: len(filled)]:
        missing = next(letter for letter in string.ascii_uppercase if not cells.get(letter))
        raise ValueError(f"expected options without a gap, {missing} is empty and {filled[-1]} is not")
    choices = [str(cells[letter]) for letter in filled]
    for letter in string.ascii_uppercase:
        cells.pop(letter, None)
    return choices
