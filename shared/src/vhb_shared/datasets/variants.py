"""Variants: the rows that a sample becomes where a task asks it several times or with its options in another order."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from vhb_shared.contracts.job import TaskEntry
from vhb_shared.datasets.options import MOST_CHOICES, options_problem, shown_order, shown_reference
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.errors import UserError

RUN_SCHEMA: dict[str, pl.DataType] = {
    **SAMPLE_SCHEMA,
    "sample": pl.String(),  # the id in the data set; `id` adds ~e2 (second time), ~r1 (rotated by one), or both
    "epoch": pl.UInt32(),  # how often it has been asked before
    "rotation": pl.UInt32(),  # by how many places its options are rotated
}
"""Columns of a run's rows. `index` orders the rows of all variants; `choices` and letters in `references` are as shown;
`document` is never null."""
_MOST_ROWS = 2**32
_BASES = (r"(?s)^(.+)~e\d+$", r"(?s)^(.+)~r\d+$", r"(?s)^(.+)~e\d+~r\d+$")
"""Ids that variants have, and the sample's own in them."""
_LISTED = 20
_SHOWN = pl.Struct({"choices": SAMPLE_SCHEMA["choices"], "references": SAMPLE_SCHEMA["references"]})


def variant_counts(task: TaskEntry) -> pl.Expr:
    """How many rows a sample becomes."""
    return pl.lit(task.epochs, dtype=pl.UInt32) * _rotations(task)


def with_variants(selected: pl.LazyFrame, task: TaskEntry) -> pl.LazyFrame:
    """The rows of samples: columns `RUN_SCHEMA`, in the order of the samples, variants of one beside each other.

    Args:
        selected: columns `SAMPLE_SCHEMA`.
        task: says how samples are asked.
    """
    rows = selected.with_columns(
        pl.col("id").alias("sample"),
        pl.coalesce("document", "id").alias("document"),
        pl.lit(0, dtype=pl.UInt32).alias("epoch"),
        pl.lit(0, dtype=pl.UInt32).alias("rotation"),
    )
    if task.is_repeated:
        rows = _repeated(rows, task)
    if task.circular or task.shuffle_options is not None:
        rows = _shown(rows, task)
    return rows


def check_variants(task: TaskEntry, selected: pl.LazyFrame) -> None:
    """Checks that samples can be asked so, before anything runs. Blocks: call it in a thread.

    Raises:
        UserError: no multiple-choice question where options are to be moved; references that would not fit any more;
            ids that variants would have too; more rows than can be numbered.
    """
    if task.is_repeated:
        _check_numbers(task, selected)
        _check_ids(task, selected)
    if task.circular or task.shuffle_options is not None:
        _check_options(task, selected)


def _rotations(task: TaskEntry) -> pl.Expr:
    if not task.circular:
        return pl.lit(1, dtype=pl.UInt32)
    return pl.col("choices").list.len().fill_null(0).clip(lower_bound=1)


def _stride(task: TaskEntry) -> int:
    """Numbers that a sample's rows may take: depends on the task alone, so that no stage has to count options."""
    return task.epochs * _rotations_most(task)


def _rotations_most(task: TaskEntry) -> int:
    return MOST_CHOICES if task.circular else 1


def _repeated(rows: pl.LazyFrame, task: TaskEntry) -> pl.LazyFrame:
    variant, epoch, rotation = pl.col("variant"), pl.col("epoch"), pl.col("rotation")
    return (
        rows.with_columns(pl.int_ranges(0, variant_counts(task), dtype=pl.UInt32).alias("variant"))
        .explode("variant")
        .with_columns((variant // _rotations(task)).alias("epoch"), (variant % _rotations(task)).alias("rotation"))
        .with_columns(
            (pl.col("index") * _stride(task) + epoch * _rotations_most(task) + rotation).cast(pl.UInt32).alias("index"),
            pl.concat_str(
                "sample",
                pl.when(epoch > 0).then(pl.format("~e{}", epoch + 1)).otherwise(pl.lit("")),
                pl.when(rotation > 0).then(pl.format("~r{}", rotation)).otherwise(pl.lit("")),
            ).alias("id"),
        )
        .drop("variant")
    )


def _shown(rows: pl.LazyFrame, task: TaskEntry) -> pl.LazyFrame:
    seed = task.shuffle_options.seed if task.shuffle_options is not None else None

    def show(column: pl.Series) -> pl.Series:
        return pl.Series([_as_shown(row, seed) for row in column], dtype=_SHOWN)

    fields = pl.struct("sample", "choices", "references", "rotation")
    return (
        rows.with_columns(fields.map_batches(show, return_dtype=_SHOWN, is_elementwise=True).alias("shown"))
        .with_columns(pl.col("shown").struct.field(name).alias(name) for name in ("choices", "references"))
        .drop("shown")
    )


def _as_shown(row: Mapping[str, Any], seed: int | None) -> dict[str, object]:
    choices, references = row["choices"] or [], row["references"]
    order = shown_order(row["sample"], len(choices), seed=seed, rotation=row["rotation"])
    if references is not None:
        references = [None if text is None else shown_reference(text, choices, order) for text in references]
    return {"choices": [choices[place] for place in order], "references": references}


def _check_numbers(task: TaskEntry, selected: pl.LazyFrame) -> None:
    last = selected.select(pl.col("index").max()).collect(engine="streaming").item()
    if last is not None and (last + 1) * _stride(task) > _MOST_ROWS:
        raise UserError(f"task {task.name!r}: more rows than can be numbered; lower `epochs`, or take fewer samples.")


def _check_ids(task: TaskEntry, selected: pl.LazyFrame) -> None:
    ids = selected.select("id")
    like = ids.with_columns(pl.concat_list(pl.col("id").str.extract(each, 1) for each in _BASES).alias("base"))
    bases = like.explode("base").drop_nulls("base")
    clash = bases.join(ids.select(base="id"), on="base", how="semi").head(1).collect(engine="streaming")
    if clash.height:
        name, base = clash.row(0)
        raise UserError(
            f"task {task.name!r}: sample {name!r} has the id that a repetition of sample {base!r} would get; rename it "
            "in the data set, or ask without `epochs` and `circular`."
        )


def _check_options(task: TaskEntry, selected: pl.LazyFrame) -> None:
    option = "circular" if task.circular else "shuffle_options"

    def problems(column: pl.Series) -> pl.Series:
        found = [
            options_problem(row["choices"] or [], [ref or "" for ref in row["references"] or []]) for row in column
        ]
        return pl.Series(found, dtype=pl.String)

    checked = selected.filter(pl.col("choices").list.len() > 0).select(
        "id", pl.struct("choices", "references").map_batches(problems, return_dtype=pl.String, is_elementwise=True)
        .alias("problem"),
    )  # fmt: skip
    if not checked.select(pl.len()).collect(engine="streaming").item():
        raise UserError(
            f"task {task.name!r}: `{option}` moves the options of multiple-choice questions, and its data set has "
            "none; leave it out."
        )
    bad = checked.filter(pl.col("problem").is_not_null())
    count = bad.select(pl.len()).collect(engine="streaming").item()
    if count:
        first = bad.head(_LISTED).collect(engine="streaming")
        lines = [f"task {task.name!r}: `{option}`: sample {name!r}: {problem}." for name, problem in first.iter_rows()]
        more = [f"and {count - _LISTED} more"] if count > _LISTED else []
        raise UserError(lines[0], problems=(*lines, *more))
