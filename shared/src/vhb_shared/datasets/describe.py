"""What is in a data set, in numbers."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from vhb_shared.contracts.base import WireModel
from vhb_shared.datasets.images import ImageTotals
from vhb_shared.datasets.records import SAMPLE_SCHEMA

MOST_VALUES = 20
_COUNTED = ("split", "doc_class", "question_type")
_FIELDS_READ = 10_000


class Description(WireModel):
    """Counts of a data set."""

    digest: str
    samples: int
    bad_rows: int
    bad_first: tuple[str, ...] = ()
    images: int
    """Different ones."""
    sizes: ImageTotals | None = None
    documents: int
    images_per_sample: tuple[int, int]
    """Fewest and most."""
    references_per_sample: tuple[int, int]
    filled: dict[str, int]
    """Samples that have something in each of our columns."""
    fields: dict[str, int] = Field(default_factory=dict)
    """Samples that have each other column, among the first 10,000."""
    values: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Of split, class and question type: the most frequent values with their samples."""
    distinct: dict[str, int] = Field(default_factory=dict)
    """How many different values there are of each of them."""
    box_format: str | None = None


def describe(
    samples: Path,
    *,
    digest: str,
    images: int,
    sizes: ImageTotals | None,
    bad_rows: int,
    bad_first: tuple[str, ...],
    box_format: str | None,
) -> Description:
    """Counts what samples.parquet holds. Blocks; memory does not grow with its rows."""
    frame = pl.scan_parquet(samples, schema=SAMPLE_SCHEMA, missing_columns="insert", extra_columns="ignore")
    lists = [name for name, kind in SAMPLE_SCHEMA.items() if kind == pl.List(pl.String())]
    totals = frame.select(
        pl.len().alias("samples"),
        pl.col("document").n_unique().alias("documents"),
        *(pl.col(name).list.len().gt(0).sum().alias(f"filled {name}") for name in lists),
        *(pl.col(name).is_not_null().sum().alias(f"filled {name}") for name in SAMPLE_SCHEMA if name not in lists),
        *(pl.col(name).n_unique().alias(f"distinct {name}") for name in _COUNTED),
        *(
            getattr(pl.col(name).list.len(), end)().alias(f"{end} {name}")
            for name in ("images", "references")
            for end in ("min", "max")
        ),
    ).collect(engine="streaming")
    row: dict[str, Any] = totals.row(0, named=True)
    filled = {name: int(row[f"filled {name}"]) for name in SAMPLE_SCHEMA if row[f"filled {name}"]}
    values, distinct = {}, {}
    for name in _COUNTED:
        if name not in filled:
            continue
        distinct[name] = int(row[f"distinct {name}"]) - (filled[name] < row["samples"])
        counts = frame.drop_nulls(name).group_by(name).len().sort(["len", name], descending=[True, False])
        values[name] = {str(value): int(count) for value, count in counts.head(MOST_VALUES).collect().iter_rows()}
    return Description(
        digest=digest,
        samples=int(row["samples"]),
        bad_rows=bad_rows,
        bad_first=bad_first,
        images=images,
        sizes=sizes,
        documents=int(row["documents"]),
        images_per_sample=(int(row["min images"]), int(row["max images"])),
        references_per_sample=(int(row["min references"]), int(row["max references"])),
        filled=filled,
        fields=_fields(frame),
        values=values,
        distinct=distinct,
        box_format=box_format,
    )


def _fields(frame: pl.LazyFrame) -> dict[str, int]:
    counts: dict[str, int] = {}
    for text in frame.select("fields").head(_FIELDS_READ).collect()["fields"].drop_nulls():
        for name in json.loads(text):
            counts[name] = counts.get(name, 0) + 1
    return counts
