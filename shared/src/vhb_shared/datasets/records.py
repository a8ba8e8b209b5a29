"""From records written one JSON object a line to Parquet, in memory that does not grow with their number."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from vhb_shared.contracts.results import SAMPLE_COLUMNS

ROW_GROUP = 4096
SAMPLE_SCHEMA: dict[str, pl.DataType] = {
    "index": pl.UInt32(),
    "id": pl.String(),
    "split": pl.String(),
    "images": pl.List(pl.String()),
    "question": pl.String(),
    "references": pl.List(pl.String()),
    "doc_class": pl.String(),
    "question_type": pl.String(),
    "answer_bbox": pl.String(),
    "data_index": pl.String(),
    "choices": pl.List(pl.String()),
    "document": pl.String(),
    "fields": pl.String(),
}
assert tuple(SAMPLE_SCHEMA) == SAMPLE_COLUMNS


def write_parquet(records: Path, schema: Mapping[str, pl.DataType], table: Path) -> None:
    """Writes a table with row groups of 4,096 rows, in the order of the records. Blocks: call it in a thread.

    Args:
        records: NDJSON with the schema's keys.
        schema: columns and their types.
        table: where to.
    """

    # Polars' own NDJSON scan holds about a kilobyte for each row: too much for millions.
    def batches(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        with records.open("rb") as file:
            while lines := list(itertools.islice(file, ROW_GROUP)):
                yield pl.read_ndjson(b"".join(lines), schema=schema)

    register_io_source(batches, schema=schema).sink_parquet(table, row_group_size=ROW_GROUP)
