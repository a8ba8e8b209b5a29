"""Results of a story's runs, laid where an evaluator lays them, and summed up by the real reporter."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from story import Story

from vhb_reporter.handlers import ReporterHandlers
from vhb_shared.contracts.events import JobEvaluated
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import ANSWER_COLUMNS, METRIC_COLUMNS
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache
from vhb_shared.testing.scores import score_table

CLASSES = ("receipt", "invoice")
_NUMBERS: dict[str, pl.DataType] = {
    "index": pl.UInt32(), "latency_ms": pl.Float64(), "ttft_ms": pl.Float64(), "tpot_ms": pl.Float64(),
    "prompt_tokens": pl.Int64(), "completion_tokens": pl.Int64(), "attempts": pl.Int64(), "cached_tokens": pl.Int64(),
}  # fmt: skip


def parquet(table: pl.DataFrame, row_group: int | None = None) -> bytes:
    out = io.BytesIO()
    table.write_parquet(out, row_group_size=row_group)
    return out.getvalue()


async def store_results(
    told: Story,
    run_id: str,
    answers: Sequence[str | None],
    values: Sequence[float | None],
    *,
    metric: str = "cer",
    details: Sequence[Any] | None = None,
) -> RunSpec:
    """Answers and scores of a run on the story's data; None: failed. An empty answer would score 1, a perfect one 0."""
    spec = RunSpec.model_validate_json(await told.store.get(layout.run_spec(run_id)))
    rows = range(len(answers))
    given: dict[str, Sequence[Any]] = {
        "index": rows,
        "id": [f"s{row:05d}" for row in rows],
        "model_answer": answers,
        "outcome": ["failed" if each is None else "answered" if each else "empty" for each in answers],
        "error": ["It broke." if each is None else None for each in answers],
        "latency_ms": [100.0 + row for row in rows],
        "completion_tokens": [len(each or "") for each in answers],
        "attempts": [1 for _ in rows],
        "answered_at": ["2026-01-01T00:00:00+00:00" for _ in rows],
    }
    table = pl.DataFrame(
        {name: pl.Series(name, list(given.get(name, [None] * len(answers))), _NUMBERS.get(name, pl.String()))
         for name in ANSWER_COLUMNS}
    )  # fmt: skip
    scores = score_table(
        values,
        metric,
        id=given["id"],
        doc_class=[CLASSES[row % 2] for row in rows],
        detail=[json.dumps(each) if each is not None else None for each in details or [None for _ in rows]],
    )
    await told.store.put(layout.run_file(run_id, "answers.parquet"), parquet(table))
    await told.store.put(layout.run_file(run_id, "scores.parquet"), parquet(scores))
    await told.store.put(layout.run_file(run_id, "metrics.csv"), _metrics(spec, scores, metric).write_csv().encode())
    return spec


def _metrics(spec: RunSpec, scores: pl.DataFrame, metric: str) -> pl.DataFrame:
    rows = []
    for level, column in (("general", None), ("by_doc_type", "doc_class")):
        groups = scores.partition_by(column, as_dict=True).items() if column else [(("all",), scores)]
        for (name,), part in groups:
            value = part["value"].mean()
            rows.append(
                {"run": spec.name, "model": spec.model.name, "task": spec.task.name, "metric": metric,
                 "metric_version": "1", "normalisation": "text@1", "level": level, "group": name, "value": value,
                 "ci_low": None, "ci_high": None, "n": part.height, "n_scored": part["value"].count(),
                 "n_failed": part["value"].null_count(), "value_if_failed_worst": value,
                 "value_if_failed_best": value}
            )  # fmt: skip
    return pl.DataFrame(rows).select(METRIC_COLUMNS)


async def sum_up(told: Story, job_id: str) -> None:
    """job.json, metrics.parquet and the rest, as the reporter makes them."""
    # A directory store hands out its own files: nothing is copied.
    cache = ObjectCache(told.store, Path("nowhere"))
    handlers = ReporterHandlers(told.store, cache, told.states.run, told.states.job)
    await handlers.report_job(JobEvaluated(job_id=job_id, name=job_id))
