"""Values of columns of the data that are levels of aggregation (`levels.py` has their names)."""

import json

import polars as pl

from vhb_shared.contracts.job import TaskEntry
from vhb_shared.datasets.levels import COLUMN, OWN_COLUMNS, column_levels, source_column
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError

MAX_GROUPS = 1_000
"""Values of a column that is a level: more are no groups but samples, and have `by_id`."""
_LOOKED_AT = 1_000
"""Samples whose other columns are named in a message."""


def level_value(level: str) -> pl.Expr:
    """The value of a level's column, over the columns of samples; null where a sample has none."""
    name, source = level.removeprefix(COLUMN), source_column(level)
    if source != "fields":
        return pl.col(source)
    return pl.col("fields").str.json_decode(pl.Struct({name: pl.String()})).struct.field(name)


def check_columns(task: TaskEntry, selected: pl.LazyFrame) -> None:
    """Checks that the columns a task aggregates by are there, and make groups. Blocks.

    Args:
        task: names them in `aggregators`.
        selected: its samples (columns `SAMPLE_COLUMNS`).

    Raises:
        UserError: names the columns that there are.
    """
    problems = []
    for level in column_levels(task.aggregators):
        name = level.removeprefix(COLUMN)
        values = selected.select(level_value(level).alias("value")).filter(pl.col("value").is_not_null())
        count = int(values.select(pl.col("value").n_unique()).collect(engine="streaming").item())
        if not count:
            problems.append(f"no sample has a column {name!r} ({level!r}); {did_you_mean(name, _known(selected))}")
        elif count > MAX_GROUPS:
            problems.append(
                f"column {name!r} has {count:,} different values, at most {MAX_GROUPS:,} can be groups: leave "
                f"{level!r} out of `aggregators`; `by_id` has every sample."
            )
    if problems:
        lines = tuple(f"task {task.name!r}: {problem}" for problem in problems)
        raise UserError("\n".join(lines), lines)


def _known(selected: pl.LazyFrame) -> list[str]:
    first = selected.select(*OWN_COLUMNS, "fields").head(_LOOKED_AT).collect()
    own = [name for name in OWN_COLUMNS if first[name].null_count() < first.height]
    others = {key for text in first["fields"].drop_nulls().unique() for key in json.loads(text)}
    return [*own, *sorted(others)]
