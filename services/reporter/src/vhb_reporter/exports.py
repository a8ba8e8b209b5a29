"""The metric rows of a job in formats for programs: CSV, Parquet, JSON. Blocking; call it in a thread."""

import io
import json
import math
from collections.abc import Iterable, Mapping

import polars as pl

from vhb_reporter.model import Report
from vhb_shared.contracts.results import METRIC_COLUMNS

_NUMBERS = ("value", "ci_low", "ci_high", "value_if_failed_worst", "value_if_failed_best")
_COUNTS = ("n", "n_scored", "n_failed")


def joined(frames: Iterable[tuple[Mapping[str, str], pl.DataFrame]]) -> pl.DataFrame:
    """All runs' rows, as text, under the names they have in this job (stored results may carry another job's).

    Args:
        frames: for each run what replaces its `run`, `model` and `task`, and what `results.read_metrics` read.
    """
    named = [frame.with_columns(pl.lit(value).alias(key) for key, value in names.items()) for names, frame in frames]
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(METRIC_COLUMNS, pl.String)), *named])


def typed(metrics: pl.DataFrame) -> pl.DataFrame:
    """With numbers as numbers; what is none is null."""
    return metrics.with_columns(
        *(pl.col(name).cast(pl.Float64, strict=False) for name in _NUMBERS),
        *(pl.col(name).cast(pl.Int64, strict=False) for name in _COUNTS),
    )


def metrics_files(metrics: pl.DataFrame) -> dict[str, bytes]:
    """metrics.csv, metrics.parquet and metrics.json: the same rows and columns in each.

    Args:
        metrics: what `joined` made.
    """
    return {
        "metrics.csv": metrics.write_csv(line_terminator="\r\n").encode(),
        "metrics.parquet": _parquet(typed(metrics)),
        "metrics.json": _json(typed(metrics)),
    }


def performance_rows(report: Report) -> list[dict[str, object]]:
    """One row for every run that was measured, under the names of this job."""
    return [
        run.performance.model_copy(
            update={"name": run.spec.name, "model": run.spec.model.name, "task": run.spec.task.name}
        ).row()
        for run in report.runs
        if run.performance is not None
    ]


def performance_csv(report: Report) -> bytes | None:
    """performance.csv; None where nothing was measured."""
    rows = performance_rows(report)
    if not rows:
        return None
    return pl.DataFrame(rows, infer_schema_length=None).write_csv(line_terminator="\r\n").encode()


def _parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out, compression="zstd")
    return out.getvalue()


def _json(frame: pl.DataFrame) -> bytes:
    """A list of objects, one a line; JSON has no word for what is not finite, so that is null."""
    rows = (
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
        for row in frame.iter_rows(named=True)
    )
    return ("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n").encode()
