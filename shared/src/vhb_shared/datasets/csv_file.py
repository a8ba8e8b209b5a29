"""A CSV file that is a data set itself: the columns of an annotation folder, images beside it or embedded."""

from collections.abc import Iterator
from pathlib import Path

from vhb_shared.datasets.annotation import read_annotation
from vhb_shared.datasets.base import BadRow, DatasetReader, PageOptions, Sample

LINE_LIMIT = 512 * 1024 * 1024
"""Images may be embedded."""


class CsvReader(DatasetReader):
    """`;`, `,` or tab, UTF-8 with or without BOM. The sample id is `id`, else the 0-based row number."""

    name = "csv"
    describe = "a .csv file"
    options_type = PageOptions
    options: PageOptions

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.suffix.lower() == ".csv" and path.is_file()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        return read_annotation(path, self.how, self.options.dpi, line_limit=LINE_LIMIT)
