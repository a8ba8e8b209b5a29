"""Names of levels of aggregation that are columns of the data: `aggregators: [column:lang]`. Imports no tables, for
commands check job files with it."""

import re
from collections.abc import Iterable

COLUMN = "column:"
OWN_COLUMNS = ("split", "question", "doc_class", "question_type", "answer_bbox", "data_index", "document")
"""Columns of every data set that hold one text."""
_MAX_FILE_NAME = 80


def column_levels(aggregators: Iterable[str]) -> tuple[str, ...]:
    """Those aggregators that are columns, each once."""
    return tuple(dict.fromkeys(name for name in aggregators if name.startswith(COLUMN)))


def level_file(level: str) -> str:
    """metrics_general.csv, metrics_lang.csv: where the rows of a level are written; safe as a file's name."""
    name = re.sub(r"[^\w.-]", "_", level.removeprefix(COLUMN))[:_MAX_FILE_NAME]
    return f"metrics_{name}.csv"


def columns_needed(levels: Iterable[str]) -> tuple[str, ...]:
    """The columns of samples that `level_value` reads."""
    return tuple(dict.fromkeys(source_column(level) for level in levels))


def source_column(level: str) -> str:
    """The column of samples that holds a level's values; `fields` holds those of all columns but our own."""
    name = level.removeprefix(COLUMN)
    return name if name in OWN_COLUMNS else "fields"
