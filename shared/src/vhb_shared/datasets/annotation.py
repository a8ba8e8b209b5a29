"""A table of samples as CSV: annotation.csv of a folder, or a file that is a data set itself."""

import os
from collections.abc import Iterator
from pathlib import Path

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.base import BadRow, Origin, Sample
from vhb_shared.datasets.embedded import image_finder
from vhb_shared.datasets.rows import IMAGE_COLUMNS, KNOWN_COLUMNS, RowReader
from vhb_shared.datasets.table import LINE_LIMIT, TableRow, read_table
from vhb_shared.errors import UserError

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
"""A column that is nearly one of these is a mistake."""


def read_annotation(
    path: Path, how: DatasetSource, dpi: int, *, line_limit: int = LINE_LIMIT
) -> Iterator[Sample | BadRow]:
    """The rows of a table whose image paths lie in its folder.

    Args:
        path: `;`, `,` or tab; UTF-8 with or without BOM.
        how: the mapping of columns.
        dpi: for pages of PDF files.
        line_limit: bytes of one line.

    Raises:
        UserError: as `read_table`; or a column is missing.
    """
    root = os.path.realpath(path.parent)
    rows = RowReader(how, image_finder(root, dpi))
    mapped = tuple(
        name for value in how.columns.values() for name in ([value] if isinstance(value, str) else value or ())
    )
    table = read_table(
        path,
        columns=COLUMNS,
        more=(*KNOWN_COLUMNS, *mapped, *(how.fields or ())),
        required=(),
        line_limit=line_limit,
        foreign=bool(mapped),
    )
    for index, row in enumerate(_checked(table, path, how, rows)):
        origin = Origin(path.name, row.line)
        if row.problem is not None:
            yield BadRow.at(origin, None, row.problem)
        else:
            yield rows.sample(index, row.cells, origin)


def _checked(table: Iterator[TableRow], path: Path, how: DatasetSource, rows: RowReader) -> Iterator[TableRow]:
    for number, row in enumerate(table):
        if number == 0 and row.problem is None:
            rows.check_columns(row.cells, f"{path}, line 1")
            if "images" not in how.columns and not set(IMAGE_COLUMNS) & set(row.cells):
                found = ", ".join(row.cells)[:500]
                raise UserError(f'{path}, line 1: no such column "image_path"; found: {found}')
        yield row
