"""A PDF file: every page a sample, or all of them one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from vhb_shared.datasets.base import BadRow, DatasetReader, ImageSource, Origin, PageOptions, Sample
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.pages import PDF_SUFFIX, pdf_images
from vhb_shared.errors import UserError


class PdfOptions(PageOptions):
    """What `options` of a PDF file may say."""

    per: Literal["page", "document"] = "page"
    """Whether each page is a sample, or the file is one sample with all its pages."""


class PdfReader(DatasetReader):
    """Pages are drawn at `dpi` (200). The sample id is the 0-based number; `document` is the file's name, the field
    `page` the page's number."""

    name = "pdf"
    describe = "a .pdf file"
    options_type = PdfOptions
    options: PdfOptions

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.suffix.lower() == PDF_SUFFIX and path.is_file()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        try:
            images = pdf_images(path.resolve(), path.name, self.options.dpi)
        except ImageProblem as problem:
            raise UserError(str(problem)) from problem
        if self.options.per == "page":
            yield from page_samples(path.name, images, 0)
        else:
            yield Sample(0, "0", Origin(path.name), images, document=path.name)


def page_samples(name: str, images: Sequence[ImageSource], first: int) -> Iterator[Sample]:
    """A sample for each page of a document.

    Args:
        name: the document's.
        images: its pages.
        first: the index of the first sample.
    """
    for page, image in enumerate(images):
        index = first + page
        origin = Origin(name, page + 1, None, "page")
        yield Sample(index, str(index), origin, (image,), document=name, fields={"page": str(page + 1)})
