"""Reads a run's tables of results into views: lazily, only the columns and rows that are shown. Blocking.

Memory stays flat for runs of any size: aggregates are computed by Polars in its streaming engine, answers are cut to
their first characters before they are collected, and of per-sample tables only the chosen rows are ever held.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from vhb_reporter.measures import FailedSample, MetricRow, Timings
from vhb_reporter.model import GENERAL
from vhb_shared.contracts.metric_label import EPOCH_SD, tabled
from vhb_shared.contracts.results import METRIC_COLUMNS, OUTCOMES, OutcomeCounts

TEXT_LIMIT = 4000
"""Characters of an answer that are read; more than a report ever shows."""


class AnswerRow(NamedTuple):
    """What a report shows of one row of answers.parquet."""

    outcome: str
    text: str
    length: int
    error: str | None


class ScoreRow(NamedTuple):
    """One score of one sample."""

    value: float | None
    status: str


def read_metrics(path: Path) -> pl.DataFrame:
    """metrics.csv as text columns, without the level by_id, which is as long as the data set."""
    frame = pl.scan_csv(path, infer_schema=False)
    return frame.filter(pl.col("level") != "by_id").select(METRIC_COLUMNS).collect(engine="streaming")


def with_labels(metrics: pl.DataFrame, scores: Path | None) -> pl.DataFrame:
    """The same rows with labels, as scores name metrics, in place of the name and normalisation of metrics.csv.

    Args:
        metrics: what `read_metrics` read.
        scores: scores.parquet of the run; without it names stay as they are.
    """
    if scores is None:
        return metrics
    known = pl.scan_parquet(scores).select("metric", "normalisation").unique().collect(engine="streaming")
    labels = pl.DataFrame(
        [
            (tabled(label, normalisation), normalisation, label)
            for scored, normalisation in known.iter_rows()
            for label in (scored, scored + EPOCH_SD)
        ],
        schema={"metric": pl.String, "normalisation": pl.String, "label": pl.String},
        orient="row",
    )
    joined = metrics.join(labels, on=["metric", "normalisation"], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("label", "metric").alias("metric")).drop("label")


def metric_rows(frame: pl.DataFrame) -> tuple[MetricRow, ...]:
    """Typed rows of what `read_metrics` read; what is not a number is None."""
    numbers = ["value", "ci_low", "ci_high", "value_if_failed_worst", "value_if_failed_best"]
    counts = ["n", "n_scored", "n_failed"]
    typed = frame.with_columns(
        *(pl.col(name).cast(pl.Float64, strict=False) for name in numbers),
        *(pl.col(name).cast(pl.Int64, strict=False).fill_null(0) for name in counts),
        *(pl.col(name).fill_null("") for name in ("metric", "metric_version", "normalisation", "level", "group")),
    )
    return tuple(
        MetricRow(
            metric=row["metric"],
            metric_version=row["metric_version"],
            normalisation=row["normalisation"],
            level=row["level"],
            group=row["group"] or (GENERAL if row["level"] == GENERAL else ""),
            value=row["value"],
            ci_low=row["ci_low"],
            ci_high=row["ci_high"],
            n=row["n"],
            n_scored=row["n_scored"],
            n_failed=row["n_failed"],
            worst=row["value_if_failed_worst"],
            best=row["value_if_failed_best"],
        )
        for row in typed.iter_rows(named=True)
    )


def read_counts(answers: Path) -> OutcomeCounts:
    """How many samples ended in which way."""
    found = pl.scan_parquet(answers).group_by("outcome").len().collect(engine="streaming")
    totals = {name: count for name, count in found.iter_rows() if name in OUTCOMES}
    return OutcomeCounts(**totals)


def read_timings(answers: Path) -> Timings:
    """Quantiles, token counts and the span of a run. Failed samples count as requests but not as latencies. Answers
    that an earlier run got keep their latency, and are left out of what is counted per second."""
    table = with_origin(answers)
    got = pl.col("outcome").is_in(["answered", "empty", "truncated", "refused"])
    sent, asked = pl.col("answered_at"), pl.col("reused_from").is_null()
    row = (
        table.select(
            *(pl.col("latency_ms").filter(got).quantile(q, "linear").alias(f"latency_p{int(q * 100)}")
              for q in (0.5, 0.95, 0.99)),
            *(pl.col("ttft_ms").filter(got).quantile(q, "linear").alias(f"ttft_p{int(q * 100)}") for q in (0.5, 0.95)),
            pl.col("prompt_tokens").sum().alias("prompt_tokens"),
            pl.col("prompt_tokens").count().alias("prompt_known"),
            pl.col("completion_tokens").sum().alias("completion_tokens"),
            pl.col("completion_tokens").count().alias("completion_known"),
            pl.col("completion_tokens").filter(asked).sum().alias("asked_tokens"),
            (pl.col("attempts").filter(asked) > 0).sum().alias("requests"),
            (pl.col("attempts").filter(asked) - 1).clip(0).sum().alias("retries"),
            sent.filter(asked).min().alias("first_answer"),
            pl.col("latency_ms").filter(asked).sort_by(sent.filter(asked), nulls_last=True).first()
            .alias("first_latency"),
            sent.filter(asked).max().alias("last_answer"),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )  # fmt: skip
    first, last = _time(row["first_answer"]), _time(row["last_answer"])
    return Timings(
        latency_p50=row["latency_p50"],
        latency_p95=row["latency_p95"],
        latency_p99=row["latency_p99"],
        ttft_p50=row["ttft_p50"],
        ttft_p95=row["ttft_p95"],
        prompt_tokens=row["prompt_tokens"] if row["prompt_known"] else None,
        completion_tokens=row["completion_tokens"] if row["completion_known"] else None,
        requests=row["requests"] or 0,
        asked_tokens=row["asked_tokens"] if row["completion_known"] else None,
        retries=row["retries"] or 0,
        first_at=first - timedelta(milliseconds=row["first_latency"] or 0) if first else None,
        last_at=last,
    )


def with_origin(answers: Path) -> pl.LazyFrame:
    """The answers with the column `reused_from`, also those written before there was one."""
    table = pl.scan_parquet(answers)
    known = "reused_from" in table.collect_schema()
    return table if known else table.with_columns(pl.lit(None, dtype=pl.String).alias("reused_from"))


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def read_failures(answers: Path, limit: int) -> tuple[FailedSample, ...]:
    """The first samples without an answer, in the order of the data set."""
    rows = (
        pl.scan_parquet(answers)
        .filter(pl.col("outcome").is_in(["failed", "withdrawn"]))
        .select("index", "id", "outcome", pl.col("error").str.slice(0, TEXT_LIMIT), "attempts")
        .bottom_k(limit, by="index")
        .collect(engine="streaming")
        .sort("index")
    )
    return tuple(
        FailedSample(str(row["id"]), row["outcome"], row["error"] or "", row["attempts"] or 0)
        for row in rows.iter_rows(named=True)
    )


def read_directions(scores: Path) -> dict[str, bool]:
    """Metric label -> whether higher is better, as the bounds of failed samples tell: the value of a perfect answer
    against that of an empty one. Without failed samples nothing is known; such labels are left out."""
    gap = pl.col("best_numerator") / pl.col("best_denominator") - pl.col("worst_numerator") / pl.col(
        "worst_denominator"
    )
    found = (
        pl.scan_parquet(scores)
        .select("metric", gap.alias("gap"))
        .filter(pl.col("gap").is_finite() & (pl.col("gap") != 0))
        .group_by("metric")
        .agg(pl.col("gap").mean())
        .collect(engine="streaming")
    )
    return {metric: gap > 0 for metric, gap in found.iter_rows()}


def worst_indices(scores: Path, metric: str, higher_is_better: bool, limit: int) -> list[int]:
    """Samples with the worst values of a metric, worst first, ties in data set order.

    Perfect ones are left out: 0 where lower is better, 1 where higher is better and nothing is above 1.
    """
    rows = pl.scan_parquet(scores).filter((pl.col("metric") == metric) & pl.col("value").is_finite())
    if higher_is_better:
        perfect = rows.select(pl.col("value").max()).collect(engine="streaming").item() == 1.0
        rows = rows.filter(pl.col("value") < 1.0) if perfect else rows
    else:
        rows = rows.filter(pl.col("value") > 0)
    badness = -pl.col("value") if higher_is_better else pl.col("value")
    found = (
        rows.select("index", badness.alias("badness"))
        .top_k(limit, by=["badness", -pl.col("index").cast(pl.Int64)])
        .collect(engine="streaming")
        .sort(["badness", "index"], descending=[True, False])
    )
    return found["index"].to_list()


def first_indices(answers: Path, limit: int) -> list[int]:
    """The first samples of a run."""
    found = pl.scan_parquet(answers).select("index").bottom_k(limit, by="index").collect(engine="streaming")
    return found["index"].sort().to_list()


def read_answers(answers: Path, indices: Collection[int]) -> Mapping[int, AnswerRow]:
    """The answers to some samples, cut to their first characters."""
    rows = (
        pl.scan_parquet(answers)
        .filter(pl.col("index").is_in(list(indices)))
        .select(
            "index",
            "outcome",
            pl.col("model_answer").str.slice(0, TEXT_LIMIT).fill_null("").alias("text"),
            pl.col("model_answer").str.len_chars().fill_null(0).alias("length"),
            pl.col("error").str.slice(0, TEXT_LIMIT),
        )
        .collect(engine="streaming")
    )
    return {index: AnswerRow(*rest) for index, *rest in rows.iter_rows()}


def read_scores(scores: Path, indices: Collection[int]) -> Mapping[int, dict[str, ScoreRow]]:
    """The scores of some samples: index -> metric label -> score."""
    rows = (
        pl.scan_parquet(scores)
        .filter(pl.col("index").is_in(list(indices)))
        .select("index", "metric", "value", "status")
        .collect(engine="streaming")
    )
    found: dict[int, dict[str, ScoreRow]] = {}
    for index, metric, value, status in rows.iter_rows():
        found.setdefault(index, {})[metric] = ScoreRow(value, status)
    return found
