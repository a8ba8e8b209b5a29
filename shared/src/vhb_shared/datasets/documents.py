"""Folders of documents with several pages: one sample a document."""

import os
from collections.abc import Iterator
from pathlib import Path

from natsort import natsorted, ns

from vhb_shared.datasets.annotation import read_annotation
from vhb_shared.datasets.base import BadRow, DatasetReader, Origin, PageOptions, Sample
from vhb_shared.datasets.folder import ANNOTATION
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.images import IMAGE_SUFFIXES
from vhb_shared.datasets.pages import PDF_SUFFIX, images_at
from vhb_shared.errors import UserError


class DocumentsReader(DatasetReader):
    """Every subfolder, PDF file and image of the folder is a document: a sample with its pages in natural order of
    their names. The sample id is the document's name. With annotation.csv it is read as the folder format is, whose
    `image_path` may name a subfolder.
    """

    name = "documents"
    describe = "with `reader: documents`, a folder whose subfolders and PDF files are documents"
    options_type = PageOptions
    options: PageOptions
    asked_only = True

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.is_dir()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        annotation = path / ANNOTATION
        if annotation.exists():
            return read_annotation(annotation, self.how, self.options.dpi)
        return _documents(path, self.options.dpi)


def _documents(folder: Path, dpi: int) -> Iterator[Sample | BadRow]:
    root = os.path.realpath(folder)
    names = [
        entry.name
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
        and (entry.is_dir() or entry.name.lower().endswith((*IMAGE_SUFFIXES, PDF_SUFFIX)))
    ]
    if not names:
        raise UserError(f"{folder}: empty data set, expected subfolders with pages, PDF files or images")
    for index, name in enumerate(natsorted(names, alg=ns.PATH)):
        try:
            images = images_at(root, name, dpi)
        except ImageProblem as problem:
            yield BadRow(name, None, None, str(problem))
            continue
        yield Sample(index, name, Origin(name), images, document=name)
