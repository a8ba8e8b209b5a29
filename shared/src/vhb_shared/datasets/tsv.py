"""VLMEvalKit's TSV: images in base64, or paths beside the file, or the index of another row that has the image."""

import os
import string
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from vhb_shared.datasets.base import BadRow, DatasetReader, ImageSource, Origin, Sample
from vhb_shared.datasets.embedded import decode_image, text_list
from vhb_shared.datasets.folder import resolve_inside
from vhb_shared.datasets.images import ImageProblem
from vhb_shared.datasets.table import TableRow, read_table
from vhb_shared.errors import UserError

COLUMNS = ("index", "image", "image_path", "question", "answer", "category", "split")
LINE_LIMIT = 512 * 1024 * 1024
_LONGEST_INDEX = 64
"""No image is that short in base64: a shorter cell names a row."""


class TsvReader(DatasetReader):
    """The sample id is the row's `index` (answers made by VLMEvalKit join on it), else the 0-based row number.

    Columns A, B, ... are the options; a `hint` becomes part of the question. `category` is the document class,
    `l2-category` the question type, unless there are columns of these names. A list of answers is a list of references.
    """

    name = "tsv"
    describe = "a VLMEvalKit .tsv file"

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.suffix.lower() == ".tsv" and path.is_file()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        root = os.path.realpath(path.parent)
        with tempfile.TemporaryDirectory(prefix="vhb-tsv-") as folder:
            shared = _shared_images(path, Path(folder))
            for number, row in enumerate(_rows(path)):
                if number == 0 and not {"image", "image_path"} & set(row.cells):
                    raise UserError(
                        f'{path}, line 1: no such column "image" or "image_path"; found: {", ".join(row.cells)[:500]}'
                    )
                yield _sample(number, row, path, root, shared)


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


def _sample(number: int, row: TableRow, path: Path, root: str, shared: Mapping[str, Path]) -> Sample | BadRow:
    def bad(column: str | None, expected: str) -> BadRow:
        return BadRow(path.name, row.line, column, expected)

    if row.problem is not None:
        return bad(None, row.problem)
    cells = {name: cell.strip() for name, cell in row.cells.items()}
    index = cells.get("index", "")
    if "index" in cells and not index:
        return bad("index", "expected the index of the row, found an empty cell")
    column = "image" if cells.get("image") else "image_path"
    try:
        images = _embedded(cells["image"], shared) if column == "image" else _beside(cells, path, root)
    except ImageProblem as problem:
        return bad(column, str(problem))
    answer = row.cells.get("answer")
    try:
        choices = _choices(cells)
    except ValueError as problem:
        return bad(None, str(problem))
    return Sample(
        index=number,
        id=index or str(number),
        origin=Origin(path.name, row.line, column),
        images=images,
        split=cells.get("split") or None,
        question=_question(cells),
        references=() if answer is None else tuple(text_list(answer) or (answer,)),
        doc_class=cells.get("doc_class") or cells.get("category") or None,
        question_type=cells.get("question_type") or cells.get("l2-category") or None,
        answer_bbox=cells.get("answer_bbox") or None,
        data_index=index or None,
        choices=choices,
    )


def _embedded(cell: str, shared: Mapping[str, Path]) -> tuple[ImageSource, ...]:
    if _is_index(cell):
        if cell not in shared:
            raise ImageProblem(f'expected an image or the index of a row that has one, found "{cell}"')
        return _embedded(shared[cell].read_text(encoding="utf-8"), {})
    items = text_list(cell) or [cell]
    return tuple(ImageSource(data=decode_image(item), label=f"image {n}") for n, item in enumerate(items, start=1))


def _beside(cells: Mapping[str, str], path: Path, root: str) -> tuple[ImageSource, ...]:
    cell = cells.get("image_path", "")
    if not cell:
        raise ImageProblem("expected an image, found empty cells")
    found: list[ImageSource] = []
    for name in text_list(cell) or [cell]:
        # VLMEvalKit keeps the images of a file in a folder named after it.
        places = [resolve_inside(root, place) for place in (name, f"images/{path.stem}/{name}")]
        if places[0] is None:
            raise ImageProblem(f'expected a path inside the folder of the data set, "{name}" leaves it')
        image = next((place for place in places if place is not None and place.exists()), places[0])
        found.append(ImageSource(path=image, label=name))
    return tuple(found)


def _question(cells: Mapping[str, str]) -> str | None:
    parts = [f"Hint: {cells['hint']}"] if cells.get("hint") else []
    parts += [cells["question"]] if cells.get("question") else []
    return "\n".join(parts) or None


def _choices(cells: Mapping[str, str]) -> tuple[str, ...]:
    """The options, in the order of their letters.

    Raises:
        ValueError: one is missing between others, so that those after it would get other letters.
    """
    filled = [letter for letter in string.ascii_uppercase if cells.get(letter)]
    if "".join(filled) != string.ascii_uppercase[: len(filled)]:
        missing = next(letter for letter in string.ascii_uppercase if not cells.get(letter))
        raise ValueError(f"expected options without a gap, {missing} is empty and {filled[-1]} is not")
    return tuple(cells[letter] for letter in filled)
