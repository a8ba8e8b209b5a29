"""The images of one document: what a path inside a data set's folder stands for."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from natsort import natsorted, ns

from vhb_shared.datasets import tiff_pages
from vhb_shared.datasets.base import ImageSource
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.images import IMAGE_SUFFIXES
from vhb_shared.datasets.pdf_pages import MAX_PAGES, page_count
from vhb_shared.datasets.tiff_pages import TIFF_SUFFIXES

PDF_SUFFIX = ".pdf"
_PAGE = re.compile(r"^(?P<file>.+\.(?:pdf|tiff?))#page=(?P<page>[0-9]{1,6})$", re.IGNORECASE)


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


def images_at(root: str, written: str, dpi: int) -> tuple[ImageSource, ...]:
    """What a path stands for: an image file; a PDF or TIFF file, all its pages; `file.pdf#page=3`, that page; a folder,
    its images and PDF files in natural order of their names.

    Args:
        root: the data set's folder, already resolved.
        written: the path as it stands in the data.
        dpi: for pages of PDF files.

    Raises:
        ImageProblem: outside the folder, a PDF file that cannot be read, a folder without images.
    """
    name, number = written, None
    if found := _PAGE.match(written):
        name, number = found["file"], int(found["page"])
    path = None if "\0" in name else resolve_inside(root, name)
    if path is None:
        raise ImageProblem(f'expected a path inside the folder of the data set, "{written[:200]}" leaves it')
    if number is not None:
        return (ImageSource(path=path, label=written, page=number - 1, dpi=dpi),)
    if name.lower().endswith(TIFF_SUFFIXES):
        return tiff_images(path, written)
    if name.lower().endswith(IMAGE_SUFFIXES):
        return (ImageSource(path=path, label=written),)
    if path.suffix.lower() == PDF_SUFFIX:
        return pdf_images(path, written, dpi)
    if path.is_dir():
        return folder_images(root, path, dpi)
    return (ImageSource(path=path, label=written),)


def pdf_images(path: Path, label: str, dpi: int) -> tuple[ImageSource, ...]:
    """The pages of a PDF file.

    Raises:
        ImageProblem: it cannot be read.
    """
    return tuple(
        ImageSource(path=path, label=f"{label}#page={number + 1}", page=number, dpi=dpi)
        for number in range(page_count(path))
    )


def tiff_images(path: Path, label: str) -> tuple[ImageSource, ...]:
    """The pages of a TIFF file; the file as it is where it has one.

    Raises:
        ImageProblem: it has too many.
    """
    count = tiff_pages.page_count(path)
    if count == 1:
        return (ImageSource(path=path, label=label),)
    return tuple(ImageSource(path=path, label=f"{label}#page={number + 1}", page=number) for number in range(count))


def folder_images(root: str, folder: Path, dpi: int) -> tuple[ImageSource, ...]:
    """The pages of a document that is a folder: natural order of the names, never that of the directory.

    Raises:
        ImageProblem: it has no images, or too many.
    """
    images: list[ImageSource] = []
    for name in page_files(folder):
        images += images_at(root, os.path.relpath(folder / name, root), dpi)
        if len(images) > MAX_PAGES:
            raise ImageProblem(f'expected a document of at most {MAX_PAGES} pages, "{folder.name}" has more')
    if not images:
        raise ImageProblem(f'expected a folder with images or PDF files, "{folder.name}" has none')
    return tuple(images)


def page_files(folder: Path) -> list[str]:
    """Paths of images and PDF files below a folder, relative to it, in natural order; hidden ones are not seen."""
    return list(natsorted(_page_files(folder), alg=ns.PATH))


def _page_files(folder: Path) -> Iterator[str]:
    for directory, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and name.lower().endswith((*IMAGE_SUFFIXES, PDF_SUFFIX)):
                yield os.path.relpath(Path(directory) / name, folder)
