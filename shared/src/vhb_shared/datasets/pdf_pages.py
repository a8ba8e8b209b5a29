"""Pages of PDF files as images."""

import atexit
import io
import threading
from pathlib import Path
from typing import Any

from vhb_shared.datasets.image_problem import MAX_BYTES, MAX_PIXELS, ImageProblem

POINTS = 72
"""Per inch: the unit of a page's size."""
MAX_PAGES = 5_000
_PDFIUM = threading.Lock()
"""PDFium keeps global state: one thread at a time may be in it."""


class _Open:
    """The file that was used last: pages are mostly asked for in order. Used under the lock only."""

    def __init__(self) -> None:
        self._key: tuple[Path, int, int] | None = None
        self._document: Any = None

    def document(self, path: Path) -> Any:
        import pypdfium2

        try:
            if not path.is_file():
                found = "is not a plain file" if path.exists() else "does not exist"
                raise ImageProblem(f'expected a PDF file, "{path.name}" {found}')
            status = path.stat()
            if status.st_size > MAX_BYTES:
                raise ImageProblem(f'expected a PDF file of at most {MAX_BYTES >> 20} MiB, "{path.name}" is bigger')
            key = (path, status.st_mtime_ns, status.st_size)
            if key != self._key:
                self.close()
                atexit.unregister(self.close)
                atexit.register(self.close)  # after the library's own, which runs later then and finds nothing open
                self._document = pypdfium2.PdfDocument(path)
                self._key = key
        except pypdfium2.PdfiumError as error:
            why = "needs a password" if "password" in str(error).lower() else "is none or is damaged"
            raise ImageProblem(f'expected a PDF file, "{path.name}" {why}') from error
        except OSError as error:
            raise ImageProblem(f'expected a PDF file, "{path.name}" cannot be read ({error.strerror})') from error
        return self._document

    def close(self) -> None:
        if self._document is not None:
            self._document.close()
        self._document = self._key = None


_open = _Open()


def page_count(path: Path) -> int:
    """How many pages a PDF file has; at least one.

    Raises:
        ImageProblem: not a PDF file, damaged, encrypted, without pages or with too many.
    """
    with _PDFIUM:
        count = len(_open.document(path))
    if not count:
        raise ImageProblem(f'expected a PDF file with pages, "{path.name}" has none')
    if count > MAX_PAGES:
        raise ImageProblem(f'expected a PDF file of at most {MAX_PAGES} pages, "{path.name}" has {count}')
    return count


def render_page(path: Path, page: int, dpi: int) -> bytes:
    """One page as PNG: 8 bits a channel, white ground, annotations and form fields drawn. The same file and the same
    library give the same bytes.

    Args:
        path: a PDF file.
        page: 0-based.
        dpi: dots per inch.

    Raises:
        ImageProblem: no such page, too big a picture, or it cannot be drawn.
    """
    import pypdfium2

    label = f"page {page + 1} of {path.name}"
    with _PDFIUM:
        document = _open.document(path)
        if not 0 <= page < len(document):
            raise ImageProblem(f'expected one of {len(document)} pages of "{path.name}", found page {page + 1}')
        try:
            sheet = document[page]
            try:
                width, height = sheet.get_size()
                pixels = width * height * (dpi / POINTS) ** 2
                if not 0 < pixels <= MAX_PIXELS:
                    raise ImageProblem(
                        f"expected a page of at most {MAX_PIXELS / 1e6:.0f} megapixels, {label} at {dpi} dpi has "
                        f"{pixels / 1e6:.0f}; lower `dpi`"
                    )
                bitmap = sheet.render(scale=dpi / POINTS, fill_color=(255, 255, 255, 255))
                # A copy: the bitmap's memory goes with the page.
                image = bitmap.to_pil().convert("RGB").copy()
                bitmap.close()
            finally:
                sheet.close()
        except (pypdfium2.PdfiumError, ValueError, MemoryError) as error:
            raise ImageProblem(f"expected a page that can be drawn, {label} cannot ({error})") from error
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
