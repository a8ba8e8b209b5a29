"""The answers of a run: exactly one row per selected sample, whatever happened."""

from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from vhb_evaluator.errors import EvaluationFailed, wire_text
from vhb_evaluator.tables import ANSWER_SCHEMA
from vhb_shared.contracts.results import OUTCOMES

_NOT_ANSWERED = ("failed", "withdrawn")
NO_IMPORTED_ANSWER = "no answer in the imported file"


class Missing(NamedTuple):
    """What becomes of a sample that has no stored answer."""

    outcome: Literal["failed", "withdrawn"]
    error: str


def from_part(samples: pl.DataFrame, part: pl.DataFrame | None, missing: Missing) -> pl.DataFrame:
    """The answers of one shard.

    Args:
        samples: `index` and `id` of the shard's samples, in order.
        part: the committed answers part, or None when none was committed. Joined by index and id; rows of other
            samples are ignored, of several rows for one sample the first counts.
        missing: for samples without a row.

    Returns:
        The columns of `tables.ANSWER_SCHEMA`, one row per sample, in the order of `samples`.

    Raises:
        EvaluationFailed: the part has other columns or values than a part has.
    """
    wanted = _keys(samples)
    if part is None:
        return _settled(wanted, missing)
    for column in ("index", "id", "model_answer", "outcome"):
        if column not in part.columns:
            raise EvaluationFailed(f"a part of the answers has no column {column!r}; answer the run again: vhb retry")
    stored = _typed(part).unique(["index", "id"], keep="first", maintain_order=True)
    return _settled(wanted.join(stored, on=["index", "id"], how="left", maintain_order="left"), missing)


class ImportedAnswers:
    """Answers made elsewhere or by another run, joined by id.

    A file has at least the columns `id` and `model_answer`. Without an outcome, an answer that is null counts as
    failed, an empty one as empty, any other as answered.
    """

    def __init__(self, path: Path) -> None:
        """Args:
        path: a parquet file; read when asked.
        """
        self._path = path
        self.matched = 0
        """Rows used so far."""

    def answers(self, samples: pl.DataFrame) -> pl.DataFrame:
        """The answers of some samples (`index`, `id`), as `from_part` returns them.

        Raises:
            EvaluationFailed: not a parquet file, a column is missing, an id occurs twice, an outcome is unknown.
        """
        wanted = _keys(samples)
        try:
            found = self._scan().filter(pl.col("id").is_in(wanted["id"].implode())).collect()
        except pl.exceptions.PolarsError as error:
            raise EvaluationFailed(f"the imported answers cannot be read: {error}") from error
        twice = found.filter(pl.col("id").is_duplicated())
        if not twice.is_empty():
            raise EvaluationFailed(f"id {twice['id'][0]!r} occurs more than once in the imported answers; keep one row")
        self.matched += found.height
        joined = wanted.join(_typed(found).drop("index"), on="id", how="left", maintain_order="left")
        return _settled(joined, Missing("failed", NO_IMPORTED_ANSWER))

    def unmatched(self) -> int:
        """Rows of the file that no sample asked for, once all samples have been asked."""
        return int(self._scan().select(pl.len()).collect().item()) - self.matched

    def _scan(self) -> pl.LazyFrame:
        scan = pl.scan_parquet(self._path)
        try:
            columns = scan.collect_schema().names()
        except pl.exceptions.PolarsError as error:
            raise EvaluationFailed(f"the imported answers cannot be read: {error}") from error
        for column in ("id", "model_answer"):
            if column not in columns:
                raise EvaluationFailed(f"the imported answers have no column {column!r} (found: {', '.join(columns)})")
        return scan.with_columns(pl.col("id").cast(pl.String))


def _keys(samples: pl.DataFrame) -> pl.DataFrame:
    return samples.select(pl.col("index").cast(pl.UInt32), pl.col("id").cast(pl.String))


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    """All answer columns with their types; what is missing is null."""
    return table.select(
        pl.col(name).cast(kind, strict=False) if name in table.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in ANSWER_SCHEMA.items()
    )


def _settled(table: pl.DataFrame, missing: Missing) -> pl.DataFrame:
    """Gives every row an outcome that fits its answer, and an error where there is none to read."""
    table = _typed(table)
    unknown = table.filter(pl.col("outcome").is_not_null() & ~pl.col("outcome").is_in(OUTCOMES))
    if not unknown.is_empty():
        raise EvaluationFailed(
            f"unknown outcome {unknown['outcome'][0]!r} of sample {unknown['id'][0]!r}; known are {', '.join(OUTCOMES)}"
        )
    answer, outcome = pl.col("model_answer"), pl.col("outcome")
    settled = table.with_columns(
        pl.when(outcome.is_in(_NOT_ANSWERED) | (outcome == "empty"))
        .then(outcome)
        .when(answer.is_null())
        .then(pl.lit(missing.outcome))
        .when(outcome.is_null() | (outcome == "answered"))
        .then(pl.when(answer == "").then(pl.lit("empty")).otherwise(pl.lit("answered")))
        .otherwise(outcome)
        .alias("outcome")
    )
    unanswered = outcome.is_in(_NOT_ANSWERED)
    return settled.with_columns(
        pl.when(unanswered).then(None).otherwise(answer.fill_null("")).alias("model_answer"),
        pl.when(unanswered).then(pl.col("error").fill_null(wire_text(missing.error))).otherwise("error").alias("error"),
        pl.col("attempts").fill_null(0),
    )
