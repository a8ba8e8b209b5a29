"""Parquet: image bytes or paths beside the file; one file, or a folder as the Hugging Face hub lays it out."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.base import BadRow, DatasetReader, Origin, PageOptions, Sample
from vhb_shared.datasets.embedded import image_finder
from vhb_shared.datasets.hub_layout import CARD, DataFile, choose_files
from vhb_shared.datasets.parquet_files import ParquetFiles
from vhb_shared.datasets.rows import FILE_COLUMNS, IMAGE_COLUMNS, KNOWN_COLUMNS, RowReader
from vhb_shared.errors import UserError

BATCH_ROWS = 64
"""Rows in memory as Python values."""
_CARD_BYTES = 4 << 20
_DEPTH = 3


def holds_parquet(folder: Path) -> bool:
    """Whether a folder, or one a few levels below it, has a Parquet file."""
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if any(name.lower().endswith(".parquet") for name in files):
            return True
        if Path(directory).relative_to(folder).parts[_DEPTH - 1 :]:
            folders.clear()
    return False


class ParquetReader(DatasetReader):
    """Columns with the names of the JSON Lines reader, or mapped. Images are `{bytes, path}`, bytes, base64, or paths
    beside the file; one or a list. Other columns are kept, but those that hold bytes.

    The sample id is `id`, else the 0-based row number. A folder without annotation.csv that holds Parquet files is read
    like a data set of the hub: `config` and `split` choose the files.
    """

    name = "parquet"
    describe = "a .parquet file, or a folder of them as on the Hugging Face hub"
    options_type = PageOptions
    options: PageOptions
    chooses_split = True

    def accepts(self, source: str, path: Path | None) -> bool:
        if path is None:
            return False
        if path.is_dir():
            return holds_parquet(path)
        return path.suffix.lower() == ".parquet" and path.is_file()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        if path.is_dir():
            root, files = path, _files(path, self.how)
        else:
            root, files = path.parent, (DataFile(path.name, "", ""),)
        index = 0
        with ParquetFiles() as reading:
            for file in files:
                where = root / file.path
                rows = RowReader(self.how, image_finder(os.path.realpath(where.parent), self.options.dpi))
                for number, row in enumerate(_rows(reading, where, file, rows, self.how), start=1):
                    found = rows.sample(index, row, Origin(file.path, number, None, "row"))
                    index += 1
                    if isinstance(found, BadRow) or file.split or self.how.split in (None, found.split):
                        yield found


def _files(folder: Path, how: DatasetSource) -> tuple[DataFile, ...]:
    names = [
        (Path(directory) / name).relative_to(folder).as_posix()
        for directory, _, found in os.walk(folder)
        for name in found
    ]
    card = folder / CARD
    text = None
    if card.is_file() and card.stat().st_size <= _CARD_BYTES:
        text = card.read_text(encoding="utf-8", errors="replace")
    return choose_files(names, text, str(folder), how.config, how.split)


def _rows(
    reading: ParquetFiles, path: Path, file: DataFile, rows: RowReader, how: DatasetSource
) -> Iterator[Mapping[str, Any]]:
    extra = {"_config": file.config, "_file": file.path}
    schema = reading.schema(path)
    rows.check_columns([*schema, *FILE_COLUMNS], str(path))
    if "images" not in how.columns and not set(IMAGE_COLUMNS) & set(schema):
        raise UserError(
            f'{path}: no such column "image" or "images"; found: {", ".join(schema)[:500]}; name it in `columns`'
        )
    if how.split is not None and not file.split and "split" not in schema and "split" not in how.columns:
        raise UserError(f'{path}: has no column "split", so that nothing says which rows are "{how.split}"')
    for row in reading.rows(_wanted(schema, how), BATCH_ROWS):
        row.update(extra)
        if file.split and row.get("split") is None:
            row["split"] = file.split
        yield row


def _wanted(schema: pl.Schema, how: DatasetSource) -> list[str]:
    """Columns to read: images and what is used or kept."""
    mapped = {
        name
        for value in (*how.columns.values(), how.fields)
        for column in ((value,) if isinstance(value, str) else value or ())
        for name in (column, column.partition(".")[0])
    }
    named = mapped | set(KNOWN_COLUMNS)
    if how.fields is not None:
        return [name for name in schema if name in named]
    return [name for name, kind in schema.items() if name in named or not _holds_bytes(kind)]


def _holds_bytes(kind: pl.DataType) -> bool:
    if isinstance(kind, pl.List | pl.Array):
        return _holds_bytes(kind.inner)  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return any(_holds_bytes(field.dtype) for field in kind.fields)  # type: ignore[arg-type]
    return kind == pl.Binary()
