"""The overview of a run: one narrow row for each of its rows, with the values of all metrics side by side, in a file of
its own. Everything that is sorted and filtered by is in it, long texts are not. Blocking."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from pydantic import BaseModel

from vhb_shared.datasets.records import SAMPLE_SCHEMA

WINDOW = 65_536
"""Rows that are read at a time: memory does not grow with the run."""
ROW_GROUP = 16_384
TEXT_LIMIT = 240
_ID_LIMIT = 1_000
_ERROR_LIMIT = 240
MOST_METRICS = 64
MOST_NAMES = 500
NONE = "(none)"
"""Stands for a missing class or type of question, as in metrics.csv."""
_KEYS = ("index", "id")


class Counted(BaseModel):
    """A value and how many rows have it."""

    name: str
    rows: int


class OverviewFacts(BaseModel):
    """What an overview holds."""

    rows: int
    metrics: list[str]
    """In the order of their columns `value0`, `status0`, ..."""
    outcomes: list[Counted]
    classes: list[Counted]
    """The most frequent ones."""
    types: list[Counted]


class Overview(NamedTuple):
    """As it lies on disk."""

    path: Path
    facts: OverviewFacts
    version: str

    def scan(self) -> pl.LazyFrame:
        """Columns `row, index, id, outcome, doc_class, question_type, text, length, error, latency_ms,
        completion_tokens, value0, status0, ...`."""
        return pl.scan_parquet(self.path)

    def place(self, metric: str) -> int | None:
        """The number of a metric's columns."""
        return self.facts.metrics.index(metric) if metric in self.facts.metrics else None


def write_overview(answers: Path, scores: Path | None, samples: Path | None, path: Path) -> OverviewFacts:
    """Writes the overview of a run, and the facts beside it.

    Args:
        answers: answers.parquet.
        scores: scores.parquet.
        samples: samples.parquet of the data set.
        path: of the overview; appears whole or not at all.
    """
    table = pl.scan_parquet(answers)
    rows = table.select(pl.len()).collect(engine="streaming").item()
    metrics = _metrics(scores)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="making-", dir=path.parent) as folder:
        parts = []
        for number, window in enumerate(_windows(table, scores, samples, metrics, rows)):
            parts.append(Path(folder, f"{number:05d}.parquet"))
            window.write_parquet(parts[-1], row_group_size=ROW_GROUP)
        whole = Path(folder, "whole.parquet")
        pl.scan_parquet(parts).sink_parquet(whole, row_group_size=ROW_GROUP, maintain_order=True)
        made = pl.scan_parquet(whole)
        facts = OverviewFacts(
            rows=rows,
            metrics=metrics,
            outcomes=_counted(made, "outcome"),
            classes=_counted(made, "doc_class"),
            types=_counted(made, "question_type"),
        )
        facts_path = Path(folder, "facts.json")
        facts_path.write_text(facts.model_dump_json(), "utf-8")
        facts_path.replace(path.with_suffix(".json"))
        whole.replace(path)
    return facts


def read_facts(path: Path) -> OverviewFacts | None:
    """The facts of an overview; None where it is not there, or not whole."""
    try:
        facts = OverviewFacts.model_validate(json.loads(path.with_suffix(".json").read_bytes()))
    except (FileNotFoundError, ValueError):
        return None
    return facts if path.is_file() else None


def _metrics(scores: Path | None) -> list[str]:
    if scores is None:
        return []
    labels = pl.scan_parquet(scores).select(pl.col("metric").unique(maintain_order=True)).collect(engine="streaming")
    return [label for label in labels["metric"].to_list() if label is not None][:MOST_METRICS]


def _windows(
    answers: pl.LazyFrame, scores: Path | None, samples: Path | None, metrics: Sequence[str], rows: int
) -> Iterator[pl.DataFrame]:
    text = pl.col("model_answer")
    for offset in range(0, max(rows, 1), WINDOW):
        window = (
            answers.slice(offset, WINDOW)
            .select(
                pl.col("index").cast(pl.UInt32),
                pl.col("id").cast(pl.String).str.slice(0, _ID_LIMIT),
                "outcome",
                text.str.slice(0, TEXT_LIMIT).alias("text"),
                text.str.len_chars().alias("length"),
                pl.col("error").str.slice(0, _ERROR_LIMIT),
                "latency_ms",
                "completion_tokens",
            )
            .collect(engine="streaming")
            .with_row_index("row", offset)
        )
        window = window.join(_scores(window, scores, metrics), on=_KEYS, how="left", maintain_order="left")
        yield window.join(_classes(window, samples), on="index", how="left", maintain_order="left")


def _within(window: pl.DataFrame) -> pl.Expr:
    return pl.col("index").is_between(window["index"].min(), window["index"].max())


def _scores(window: pl.DataFrame, scores: Path | None, metrics: Sequence[str]) -> pl.DataFrame:
    columns = {f"{name}{place}": kind for place in range(len(metrics))
               for name, kind in (("value", pl.Float64()), ("status", pl.String()))}  # fmt: skip
    if scores is None or window.is_empty():
        return pl.DataFrame(schema={"index": pl.UInt32(), "id": pl.String(), **columns})
    value, metric = pl.col("value"), pl.col("metric")
    return (
        pl.scan_parquet(scores)
        .filter(_within(window))
        .select(
            pl.col("index").cast(pl.UInt32),
            pl.col("id").cast(pl.String).str.slice(0, _ID_LIMIT),
            "metric",
            "status",
            pl.when(value.is_finite()).then(value).alias("value"),
        )
        .group_by(_KEYS)
        .agg(
            *(value.filter(metric == label).first().alias(f"value{place}") for place, label in enumerate(metrics)),
            *(pl.col("status").filter(metric == label).first().alias(f"status{place}")
              for place, label in enumerate(metrics)),
        )
        .collect(engine="streaming")
    )  # fmt: skip


def _classes(window: pl.DataFrame, samples: Path | None) -> pl.DataFrame:
    columns = ("doc_class", "question_type")
    if samples is None or window.is_empty():
        return pl.DataFrame(schema={"index": pl.UInt32(), **dict.fromkeys(columns, pl.String())})
    found = pl.scan_parquet(samples, schema=SAMPLE_SCHEMA, missing_columns="insert", extra_columns="ignore")
    return found.filter(_within(window)).select("index", *columns).unique("index").collect(engine="streaming")


def _counted(table: pl.LazyFrame, column: str) -> list[Counted]:
    found = (
        table.select(pl.col(column).fill_null(NONE).str.slice(0, _ID_LIMIT).alias("name"))
        .group_by("name")
        .agg(pl.len().alias("rows"))
        .sort(["rows", "name"], descending=[True, False])
        .head(MOST_NAMES)
        .collect(engine="streaming")
    )
    return [Counted(name=name, rows=rows) for name, rows in found.iter_rows()]
