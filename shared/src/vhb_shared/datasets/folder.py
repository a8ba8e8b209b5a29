"""The annotation folder: annotation.csv with images beside it; or a folder of images alone."""

import os
from collections.abc import Iterator
from pathlib import Path

from vhb_shared.datasets.annotation import read_annotation
from vhb_shared.datasets.base import BadRow, DatasetReader, Origin, PageOptions, Sample
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.images import IMAGE_SUFFIXES
from vhb_shared.datasets.pages import PDF_SUFFIX, images_at, page_files, resolve_inside
from vhb_shared.datasets.parquet import holds_parquet
from vhb_shared.datasets.pdf import page_samples
from vhb_shared.errors import UserError

__all__ = ("ANNOTATION", "FolderReader", "resolve_inside", "tables")

ANNOTATION = "annotation.csv"
_TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")


class FolderReader(DatasetReader):
    """`annotation.csv` (`;` or `,`, UTF-8 with or without BOM) whose `image_path` lies in the folder: an image, a PDF
    file or a folder (all its pages), one page of a PDF file, or a list of them.

    The sample id is `id`, else the 0-based row number. An empty `answer` cell is an empty reference; without the
    column there is no reference. Without annotation.csv every image and every page of a PDF file is a sample, in
    natural order of the file names.
    """

    name = "folder"
    describe = "a folder with annotation.csv and images, or with images alone"
    options_type = PageOptions
    options: PageOptions

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.is_dir() and ((path / ANNOTATION).exists() or not holds_parquet(path))

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        annotation = path / ANNOTATION
        if annotation.exists():
            return read_annotation(annotation, self.how, self.options.dpi)
        return _images_alone(path, self.options.dpi)


def tables(folder: Path) -> list[Path]:
    """Files in a folder that are data sets by themselves, or meant to be its annotation, by name."""
    found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(_TABLE_SUFFIXES))
    return [path for path in found if not path.name.startswith(".")]


def _images_alone(folder: Path, dpi: int) -> Iterator[Sample | BadRow]:
    root = os.path.realpath(folder)
    if found := tables(folder):
        raise UserError(
            f'{folder}: no {ANNOTATION}, but there is "{found[0].name}"; rename it to {ANNOTATION}, or name '
            "that file itself as the data set"
        )
    names = page_files(Path(root))
    if not names:
        raise UserError(f"{folder}: empty data set, expected {ANNOTATION} or images ({', '.join(IMAGE_SUFFIXES)})")
    index = 0
    for name in names:
        for row in _pages_alone(root, name, dpi, index):
            yield row
            index += 1


def _pages_alone(root: str, name: str, dpi: int, index: int) -> Iterator[Sample | BadRow]:
    try:
        images = images_at(root, name, dpi)
    except ImageProblem as problem:
        yield BadRow(name, None, None, str(problem))
        return
    if name.lower().endswith(PDF_SUFFIX) or len(images) > 1:
        yield from page_samples(name, images, index)
    else:
        yield Sample(index, str(index), Origin(name), images)
