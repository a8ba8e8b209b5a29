"""Stored results of jobs, made by hand and laid where the services lay them."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.performance import Distribution, Performance
from vhb_shared.contracts.plan import DatasetRef, Plan, RunSpec
from vhb_shared.contracts.results import ANSWER_COLUMNS, METRIC_COLUMNS, OutcomeCounts
from vhb_shared.contracts.telemetry import TelemetrySample
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.testing.scores import score_table

CLASSES = ("receipt", "letter")
TYPES = ("total", "date", "name")
_TEXTS = ("run", "model", "task", "metric", "metric_version", "normalisation", "level", "group")
_METRIC_TYPES: dict[str, pl.DataType] = {
    name: pl.String() if name in _TEXTS else pl.Int64() if name.startswith("n") else pl.Float64()
    for name in METRIC_COLUMNS
}
_COUNTS = ("latency_ms", "ttft_ms", "tpot_ms", "prompt_tokens", "completion_tokens", "attempts", "cached_tokens")


@dataclass(frozen=True)
class MadeRun:
    """A run with results."""

    model: str
    answers: Sequence[str | None]
    """One for each sample; None: failed."""
    values: Sequence[float | None]
    """What they score by the metric; None where failed."""
    metric: str = "exact_match"
    task: str = "read"
    latency_ms: float = 100.0
    results_of: str | None = None
    """The run whose results it reports on; it then has none of its own."""


async def store_job(
    store: ObjectStore,
    job_id: str,
    runs: Sequence[MadeRun],
    *,
    created_at: str,
    digest: str = "d" * 64,
    summed_up: bool = True,
) -> tuple[str, ...]:
    """Stores a job with results of its runs (and of its own where it is `summed_up`), and returns the ids of its runs:
    `<job_id>-0`, ...

    Higher is better; an empty answer scores 0, a perfect one 1. Samples are "0", "1", ... of two classes and three
    types of question, in turn.
    """
    specs = [_spec(job_id, number, run, digest) for number, run in enumerate(runs)]
    job = JobSpec(name=f"job {job_id}", models=tuple(spec.model for spec in specs))
    plan = Plan(job_id=job_id, spec=job, runs=tuple(specs), created_at=created_at)
    await store.put(layout.plan(job_id), plan.model_dump_json().encode())
    for spec, run in zip(specs, runs, strict=True):
        if run.results_of is None:
            for name, content in _files(spec, run):
                await store.put(layout.run_file(spec.run_id, name), content)
    summary = {"job_id": job_id, "runs": [_summary(spec, run) for spec, run in zip(specs, runs, strict=True)]}
    if summed_up:
        await store.put(layout.job_file(job_id, "job.json"), json.dumps(summary).encode())
        rows = [row for spec, run in zip(specs, runs, strict=True) for row in _metric_rows(spec, run)
                if row["level"] != "by_id"]  # fmt: skip
        await store.put(layout.job_file(job_id, "metrics.parquet"), _parquet(pl.DataFrame(rows, schema=_METRIC_TYPES)))
    return tuple(spec.run_id for spec in specs)


def _spec(job_id: str, number: int, run: MadeRun, digest: str) -> RunSpec:
    run_id = f"{job_id}-{number}"
    samples = len(run.answers)
    return RunSpec(
        job_id=job_id, run_id=run_id, name=f"{run.model}__{run.task}",
        model=ModelEntry(name=run.model, backend="openai"),
        task=TaskEntry(name=run.task, dataset="./pages"), samples=samples, shard_size=64, shards=1, backend_id="b",
        dataset=DatasetRef(digest=digest, name="pages", source="./pages", samples=samples),
        stages=("inference", "evaluation", "reporting"), results_run_id=run.results_of or run_id,
    )  # fmt: skip


def _files(spec: RunSpec, run: MadeRun) -> Iterator[tuple[str, bytes]]:
    rows = range(len(run.answers))
    yield "answers.parquet", _parquet(_answers(run))
    yield "scores.parquet", _parquet(_scores(run))
    yield "metrics.csv", _metrics(spec, run).encode()
    speed = Distribution(n=len(rows), mean=run.latency_ms, p50=run.latency_ms, p90=run.latency_ms, p99=run.latency_ms)
    measured = Performance(
        job_id=spec.job_id, run_id=spec.run_id, name=spec.name, model=run.model, task=run.task, profile="load",
        samples=len(rows), measured=len(rows), latency_ms=speed, prompt_tokens=100 * len(rows),
        completion_tokens=5 * len(rows),
    )  # fmt: skip
    yield "performance.json", measured.model_dump_json().encode()
    yield "telemetry.parquet", _parquet(_telemetry(len(rows)))


def _answers(run: MadeRun) -> pl.DataFrame:
    given: dict[str, Sequence[Any]] = {
        "index": range(len(run.answers)),
        "id": [str(row) for row in range(len(run.answers))],
        "model_answer": run.answers,
        "outcome": [_outcome(answer) for answer in run.answers],
        "latency_ms": [run.latency_ms] * len(run.answers),
        "attempts": [1] * len(run.answers),
    }
    types: dict[str, pl.DataType] = {name: pl.String() for name in ANSWER_COLUMNS}
    types |= {name: pl.Float64() if name.endswith("_ms") else pl.Int64() for name in _COUNTS} | {"index": pl.UInt32()}
    nothing = [None] * len(run.answers)
    return pl.DataFrame({name: pl.Series(name, list(given.get(name, nothing)), types[name]) for name in ANSWER_COLUMNS})


def _telemetry(samples: int) -> pl.DataFrame:
    """Two seconds in which all of them were answered."""
    seconds = [
        TelemetrySample(
            at=at, seconds=1, session="s", agent_id="agent-0", replica=0, request_s=1, request_s_all=1,
            in_flight_peak=1, in_flight_peak_all=1, finished=samples // 2, devices=0, memory=1 << 30, cpu_s=0.5,
        ).model_dump()
        for at in (1_767_225_600.0, 1_767_225_601.0)
    ]  # fmt: skip
    return pl.DataFrame(seconds)


def _outcome(answer: str | None) -> str:
    return "failed" if answer is None else "answered" if answer else "empty"


def _scores(run: MadeRun) -> pl.DataFrame:
    rows = range(len(run.values))
    return score_table(
        run.values,
        run.metric,
        doc_class=[CLASSES[row % 2] for row in rows],
        question_type=[TYPES[row % 3] for row in rows],
    )


def _metrics(spec: RunSpec, run: MadeRun) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, METRIC_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_metric_rows(spec, run))
    return out.getvalue()


def _metric_rows(spec: RunSpec, run: MadeRun) -> Iterator[dict[str, Any]]:
    scores = _scores(run)
    levels = {"general": None, "by_doc_type": "doc_class", "by_question_type": "question_type", "by_id": "id"}
    for level, column in levels.items():
        groups = scores.partition_by(column, as_dict=True).items() if column else [(("all",), scores)]
        for (name,), part in groups:
            value = part["value"].mean()
            assert value is None or isinstance(value, float)
            yield {
                "run": spec.name, "model": run.model, "task": run.task, "metric": run.metric, "metric_version": "1",
                "normalisation": "text@1", "level": level, "group": name, "value": value,
                "ci_low": None if value is None else value - 0.1, "ci_high": None if value is None else value + 0.1,
                "n": part.height, "n_scored": part.height - part["value"].null_count(),
                "n_failed": part["value"].null_count(), "value_if_failed_worst": value, "value_if_failed_best": value,
            }  # fmt: skip


def _summary(spec: RunSpec, run: MadeRun) -> dict[str, Any]:
    return {
        "run_id": spec.run_id,
        "status": "completed",
        "counts": OutcomeCounts.of(map(_outcome, run.answers)).model_dump(),
        "metrics": [{"metric": run.metric, "higher_is_better": True}],
    }


def _parquet(table: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    table.write_parquet(out)
    return out.getvalue()
