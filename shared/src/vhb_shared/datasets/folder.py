"""The annotation folder: annotation.csv with images beside it; or a folder of images alone."""

import os
from collections.abc import Iterator
from pathlib import Path

from natsort import natsorted, ns

from vhb_shared.datasets.base import BadRow, DatasetReader, ImageSource, Origin, Sample
from vhb_shared.datasets.images import IMAGE_SUFFIXES
from vhb_shared.datasets.table import TableRow, read_table
from vhb_shared.errors import UserError

ANNOTATION = "annotation.csv"
COLUMNS = (
    "data_index",
    "split",
    "image_path",
    "question",
    "answer",
    "doc_class",
    "question_type",
    "answer_bbox",
)
_TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")


class FolderReader(DatasetReader):
    """`annotation.csv` (`;` or `,`, UTF-8 with or without BOM) whose `image_path` lies in the folder.

    The sample id is the 0-based row number. An empty `answer` cell is an empty reference; without the column there
    is no reference. Without annotation.csv every image is a sample, in natural order of the file names.
    """

    name = "folder"
    describe = "a folder with annotation.csv and images, or with images alone"

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.is_dir()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        annotation = path / ANNOTATION
        return _annotated(path, annotation) if annotation.exists() else _images_alone(path)


def resolve_inside(root: str, relative: str) -> Path | None:
    """The file that a cell names, or None when it lies outside the data set's folder (also by a link).

    Args:
        root: the folder, already resolved.
        relative: as written; back slashes of another system are read as separators.
    """
    target = os.path.realpath(os.path.join(root, relative))  # noqa: PTH118 - many times faster than pathlib
    if "\\" in relative and not os.path.exists(target):  # noqa: PTH110
        target = os.path.realpath(os.path.join(root, relative.replace("\\", "/")))  # noqa: PTH118
    return Path(target) if target.startswith(root.rstrip(os.sep) + os.sep) else None


def _annotated(folder: Path, annotation: Path) -> Iterator[Sample | BadRow]:
    root = os.path.realpath(folder)
    for index, row in enumerate(read_table(annotation, columns=COLUMNS, required=("image_path",), delimiters=";,\t")):
        yield _sample(index, row, root, annotation.name)


def _sample(index: int, row: TableRow, root: str, file: str) -> Sample | BadRow:
    if row.problem is not None:
        return BadRow(file, row.line, None, row.problem)
    cells = row.cells
    written = cells["image_path"].strip()
    if not written:
        return BadRow(file, row.line, "image_path", "expected the path of an image, found an empty cell")
    image = resolve_inside(root, written)
    if image is None:
        return BadRow(
            file, row.line, "image_path", f'expected a path inside the data set folder, "{written}" leaves it'
        )
    answer = cells.get("answer")
    return Sample(
        index=index,
        id=str(index),
        origin=Origin(file, row.line, "image_path"),
        images=(ImageSource(path=image, label=written),),
        split=cells.get("split") or None,
        question=cells.get("question") or None,
        references=() if answer is None else (answer,),
        doc_class=cells.get("doc_class") or None,
        question_type=cells.get("question_type") or None,
        answer_bbox=cells.get("answer_bbox") or None,
        data_index=cells.get("data_index") or None,
    )


def _images_alone(folder: Path) -> Iterator[Sample | BadRow]:
    root = os.path.realpath(folder)
    names: list[str] = []
    for directory, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in files if not name.startswith(".")]
        tables = [name for name in shown if name.lower().endswith(_TABLE_SUFFIXES)]
        if tables and directory == root:
            raise UserError(
                f'{folder}: no {ANNOTATION}, but there is "{sorted(tables)[0]}"; rename it to {ANNOTATION}, or name '
                "that file itself as the data set"
            )
        names += [os.path.relpath(Path(directory) / name, root) for name in shown if _looks_like_image(name)]
    if not names:
        raise UserError(f"{folder}: empty data set, expected {ANNOTATION} or images ({', '.join(IMAGE_SUFFIXES)})")
    for index, name in enumerate(natsorted(names, alg=ns.PATH)):
        image = resolve_inside(root, name)
        if image is None:
            yield BadRow(name, None, None, "expected a file inside the data set folder, it is a link that leaves it")
        else:
            yield Sample(index, str(index), Origin(name), (ImageSource(path=image, label=name),))


def _looks_like_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)
