"""Which rows of a run a list shows, and in which order. Blocking."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from vhb_api.results.overview import NONE, Overview
from vhb_api.results.overviews import Order
from vhb_shared.errors import UserError

SORTS = ("row", "latency_ms", "length", "completion_tokens")
"""What a list can be sorted by, beside metrics."""


class Filters(NamedTuple):
    """All of them must hold."""

    outcomes: tuple[str, ...] = ()
    doc_class: tuple[str, ...] = ()
    question_type: tuple[str, ...] = ()
    text: str | None = None
    """Of the answer or the id, in any case."""
    metric: str | None = None
    below: float | None = None
    """Values of the metric that are less."""
    above: float | None = None
    status: str | None = None
    """Of the metric's score."""


class Wanted(NamedTuple):
    """A list."""

    filters: Filters = Filters()
    sort: str = "row"
    """One of `SORTS`, or a metric."""
    descending: bool = False


def column_of(overview: Overview, metric: str) -> str:
    """The column with a metric's values.

    Raises:
        UserError: the run was not scored with it.
    """
    place = overview.place(metric)
    if place is None:
        known = ", ".join(overview.facts.metrics) or "no metric"
        raise UserError(f"The run was not scored with {metric!r}; it has: {known}.")
    return f"value{place}"


def ordered_rows(overview: Overview, answers: Path, wanted: Wanted, apart: tuple[Overview, str] | None = None) -> Order:
    """Numbers of the rows that a list shows, in its order.

    Args:
        overview: of the run.
        answers: answers.parquet of the run, for texts.
        wanted: the list.
        apart: another run's overview, and the metric by which the two must differ.

    Raises:
        UserError: a metric that the run was not scored with.
    """
    rows = overview.scan().filter(_conditions(overview, wanted.filters))
    if apart is not None:
        rows = _differing(rows, overview, *apart)
    if wanted.filters.text:
        rows = _with_text(rows, answers, wanted.filters.text)
    key = wanted.sort if wanted.sort in SORTS else column_of(overview, wanted.sort)
    by = pl.col(key).alias("key")
    found = rows.select("row", by).sort(
        ["key", "row"], descending=[wanted.descending, False], nulls_last=True, maintain_order=True
    )
    return found.select("row").collect(engine="streaming")["row"].cast(pl.UInt32).to_numpy()


def page(overview: Overview, rows: Sequence[int]) -> pl.DataFrame:
    """The overview's rows of some numbers, in their order."""
    wanted = pl.DataFrame({"row": pl.Series(rows, dtype=pl.UInt32)})
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows) and list(rows) == sorted(rows):
        table = overview.scan().slice(rows[0], len(rows))
    else:
        table = overview.scan().filter(pl.col("row").is_in(wanted["row"].implode()))
    return wanted.join(table.collect(engine="streaming"), on="row", how="left", maintain_order="left")


def row_of_id(overview: Overview, sample_id: str) -> int | None:
    """The first row with an id; None where there is none."""
    found = overview.scan().filter(pl.col("id") == sample_id).select("row").head(1).collect(engine="streaming")
    return int(found["row"][0]) if found.height else None


def _conditions(overview: Overview, filters: Filters) -> pl.Expr:
    found: list[pl.Expr] = [pl.lit(True)]
    if filters.outcomes:
        found.append(pl.col("outcome").is_in(list(filters.outcomes)))
    for column in ("doc_class", "question_type"):
        names: tuple[str, ...] = getattr(filters, column)
        if names:
            found.append(pl.col(column).fill_null(NONE).is_in(list(names)))
    if filters.metric is not None:
        value = pl.col(column_of(overview, filters.metric))
        if filters.below is not None:
            found.append(value < filters.below)
        if filters.above is not None:
            found.append(value > filters.above)
        if filters.status is not None:
            found.append(pl.col(f"status{overview.place(filters.metric)}") == filters.status)
    return pl.all_horizontal(found)


def _with_text(rows: pl.LazyFrame, answers: Path, text: str) -> pl.LazyFrame:
    # In any case of letters, of any alphabet.
    pattern = f"(?i){pl.escape_regex(text)}"
    said = (
        pl.scan_parquet(answers)
        .select("model_answer")
        .with_row_index("row")
        .filter(pl.col("model_answer").str.contains(pattern))
        .select(pl.col("row").cast(pl.UInt32), pl.lit(True).alias("said"))
    )
    joined = rows.join(said, on="row", how="left")
    return joined.filter(pl.col("said").fill_null(False) | pl.col("id").str.contains(pattern))


def _differing(rows: pl.LazyFrame, overview: Overview, other: Overview, metric: str) -> pl.LazyFrame:
    theirs = other.scan().select("index", "id", pl.col(column_of(other, metric)).alias("theirs"))
    mine = pl.col(column_of(overview, metric))
    return rows.join(theirs, on=["index", "id"], how="inner").filter(mine.ne_missing(pl.col("theirs")))


Better = Literal["first", "second", "equal", "different"]
PairSort = Literal["row", "difference", "first", "second"]


class PairWanted(NamedTuple):
    """A list of paired rows."""

    metric: str
    better: Better | None = None
    doc_class: tuple[str, ...] = ()
    question_type: tuple[str, ...] = ()
    text: str | None = None
    sort: PairSort = "difference"
    descending: bool = True


def ordered_pairs(
    first: Overview, second: Overview, answers: tuple[Path, Path], wanted: PairWanted, higher_is_better: bool
) -> Order:
    """Rows of both runs that are of one sample: numbers of shape (rows, 2).

    Args:
        first: overview of the first run.
        second: of the second.
        answers: answers.parquet of both, for texts.
        wanted: the list. `difference` sorts by how far the two are apart; with ties in the order of the data.
        higher_is_better: of the metric.
    """
    a, b = column_of(first, wanted.metric), column_of(second, wanted.metric)
    filters = Filters(doc_class=wanted.doc_class, question_type=wanted.question_type)
    left = first.scan().filter(_conditions(first, filters)).select("row", "index", "id", pl.col(a).alias("a"))
    right = second.scan().select(pl.col("row").alias("row_b"), "index", "id", pl.col(b).alias("b"))
    if wanted.text:
        said = [_with_text(each.scan(), path, wanted.text).select("index", "id")
                for each, path in zip((first, second), answers, strict=True)]  # fmt: skip
        left = left.join(pl.concat(said).unique(), on=["index", "id"], how="semi")
    pairs = left.join(right, on=["index", "id"], how="inner").with_columns((pl.col("b") - pl.col("a")).alias("gap"))
    gap = pl.col("gap") if higher_is_better else -pl.col("gap")
    match wanted.better:
        case "first":
            pairs = pairs.filter(gap < 0)
        case "second":
            pairs = pairs.filter(gap > 0)
        case "equal":
            pairs = pairs.filter(gap == 0)
        case "different":
            pairs = pairs.filter(gap != 0)
    key = {"row": pl.col("row"), "difference": pl.col("gap").abs(), "first": pl.col("a"), "second": pl.col("b")}
    found = pairs.select("row", "row_b", key[wanted.sort].cast(pl.Float64).alias("key")).sort(
        ["key", "row"], descending=[wanted.descending, False], nulls_last=True
    )
    table = found.select("row", "row_b").collect(engine="streaming")
    return table.select(pl.all().cast(pl.UInt32)).to_numpy().reshape(-1, 2)
