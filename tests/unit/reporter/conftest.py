"""A small world of stored results, written the way the other services write them."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image, ImageDraw

from vhb_reporter.handlers import ReporterHandlers
from vhb_shared.access.storage import allowed
from vhb_shared.contracts.events import Failure, JobEvaluated, RunEvaluationCompleted
from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef, Plan, RunSpec
from vhb_shared.contracts.results import METRIC_COLUMNS, MetricValue, OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.rights_store import RightsStore

LOWER = ("cer", "wer")


def picture(text: str) -> bytes:
    """A page with some text on it."""
    image = Image.new("RGB", (600, 400), "white")
    ImageDraw.Draw(image).text((20, 20), text, fill="black")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


BINARY = ("metrics.parquet", "results.xlsx")


@dataclass
class World:
    """Storage and state of one job; `job()` and `run()` ask the handlers for reports."""

    folder: Path
    samples: list[dict[str, Any]] = field(default_factory=list)
    runs: list[RunSpec] = field(default_factory=list)
    states: dict[str, RunState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = DirectoryStore(self.folder / "store", durable=False)
        self.digest = "d" * 64

    async def dataset(self, count: int = 8, images: bool = True) -> None:
        """Samples with two classes and two question types; two samples share an image."""
        for index in range(count):
            names = []
            if images:
                data = picture(f"Total {index // 2}.00 EUR")
                names = [hashlib.sha256(data).hexdigest() + ".png"]
                await self.store.put(layout.dataset_media(self.digest, names[0]), data)
            self.samples.append({
                "index": index, "id": str(index), "split": None, "images": names,
                "question": f"What is the total of page {index}?", "references": [f"Total {index}.00 EUR"],
                "doc_class": ("receipt", "letter")[index % 2], "question_type": ("clean", "blurred")[index % 2],
                "answer_bbox": None, "data_index": str(index),
            })  # fmt: skip
        await self.save_samples()

    async def save_samples(self) -> None:
        schema = {
            "index": pl.UInt32, "id": pl.String, "split": pl.String, "images": pl.List(pl.String),
            "question": pl.String, "references": pl.List(pl.String), "doc_class": pl.String,
            "question_type": pl.String, "answer_bbox": pl.String, "data_index": pl.String,
        }  # fmt: skip
        await self.put_parquet(layout.dataset_samples(self.digest), pl.DataFrame(self.samples, schema=schema))

    async def put_parquet(self, key: str, frame: pl.DataFrame) -> None:
        out = io.BytesIO()
        frame.write_parquet(out, row_group_size=8192)
        await self.store.put(key, out.getvalue())

    def plan_run(self, model: str | ModelEntry, task: str | TaskEntry = "read", **changes: Any) -> RunSpec:
        """Adds a run without results."""
        entry = model if isinstance(model, ModelEntry) else ModelEntry(name=model, backend="ocr")
        asked = task if isinstance(task, TaskEntry) else TaskEntry(name=task, dataset="./pages", metrics=("cer",))
        run_id = changes.pop("run_id", f"run{len(self.runs)}")
        spec = RunSpec(
            job_id="job1", run_id=run_id, name=changes.pop("name", f"{entry.name}__{asked.name}"), model=entry,
            task=asked, samples=changes.pop("samples", len(self.samples)), shard_size=64, shards=1, backend_id="b" * 16,
            dataset=DatasetRef(
                digest=self.digest, name="pages", source="./pages", samples=len(self.samples),
                skipped_rows=changes.pop("skipped_rows", 0),
            ),
            stages=changes.pop("stages", ("inference", "evaluation", "reporting")),
            results_run_id=changes.pop("results_run_id", run_id),
        )  # fmt: skip
        self.runs.append(spec)
        return spec

    async def answer(
        self, spec: RunSpec, answers: list[str | None], values: list[float | None] | None = None, metric: str = "cer",
        errors: dict[int, str] | None = None,
    ) -> None:  # fmt: skip
        """Stores results: None is a failed sample; `values` are its scores, None where not scored."""
        rows = [
            {
                "index": sample["index"], "id": sample["id"], "model_answer": text,
                "outcome": "failed" if text is None else "answered" if text else "empty",
                "error": (errors or {}).get(sample["index"], "the server answered 500") if text is None else None,
                "latency_ms": 100.0 + sample["index"], "ttft_ms": None, "prompt_tokens": 100, "completion_tokens": 5,
                "attempts": 5 if text is None else 1, "finish_reason": "stop",
                "answered_at": f"2026-01-01T00:00:{sample['index'] % 60:02d}+00:00", "replica": "0", "fingerprint": "f",
            }
            for sample, text in zip(self.samples, answers, strict=True)
        ]  # fmt: skip
        schema = {
            "index": pl.UInt32, "id": pl.String, "model_answer": pl.String, "outcome": pl.String, "error": pl.String,
            "latency_ms": pl.Float64, "ttft_ms": pl.Float64, "prompt_tokens": pl.Int64, "completion_tokens": pl.Int64,
            "attempts": pl.Int64, "finish_reason": pl.String, "answered_at": pl.String, "replica": pl.String,
            "fingerprint": pl.String,
        }  # fmt: skip
        await self.put_parquet(layout.run_file(spec.run_id, "answers.parquet"), pl.DataFrame(rows, schema=schema))
        await self.store.put(
            layout.run_file(spec.run_id, "environment.json"),
            json.dumps({"backend": "ocr", "python": "3.11.9", "packages": {"rapidocr": "3.8.4"}}).encode(),
        )
        counts = OutcomeCounts.of([row["outcome"] for row in rows])
        headline: tuple[MetricValue, ...] = ()
        if values is not None:
            headline = (await self._score(spec, values, metric, rows),)
        self.states[spec.run_id] = RunState(
            run_id=spec.run_id, job_id="job1", name=spec.name, model=spec.model.name, task=spec.task.name,
            backend_id=spec.backend_id, stages=spec.stages, stage="reporting", samples=spec.samples, shards=1,
            counts=counts, metrics=headline,
        )  # fmt: skip

    async def _score(
        self, spec: RunSpec, values: list[float | None], metric: str, rows: list[dict[str, Any]]
    ) -> MetricValue:
        higher = metric not in LOWER
        worst, best = (0.0, 1.0) if higher else (1.0, 0.0)
        scores = pl.DataFrame(
            [
                {
                    "index": sample["index"], "id": sample["id"], "doc_class": sample["doc_class"],
                    "question_type": sample["question_type"], "metric": metric, "metric_version": "1",
                    "normalisation": "text@1", "outcome": row["outcome"],
                    "status": "scored" if value is not None else "failed", "value": value, "numerator": value,
                    "denominator": None if value is None else 1.0,
                    # A scored sample is what it is, in the worst and in the best case.
                    "worst_numerator": worst if value is None else value, "worst_denominator": 1.0,
                    "best_numerator": best if value is None else value, "best_denominator": 1.0,
                }
                for sample, row, value in zip(self.samples, rows, values, strict=True)
            ],
            schema_overrides={"index": pl.UInt32, "value": pl.Float64, "numerator": pl.Float64},
        )  # fmt: skip
        await self.put_parquet(layout.run_file(spec.run_id, "scores.parquet"), scores)
        lines = []
        for level, column in (
            ("by_id", "id"), ("by_doc_type", "doc_class"), ("by_question_type", "question_type"), ("general", None)
        ):  # fmt: skip
            groups = scores.partition_by(column, as_dict=True).items() if column else [(("all",), scores)]
            for (name,), part in groups:
                n, failed = part.height, part["value"].null_count()
                total = part["value"].sum()
                lines.append({
                    "run": spec.name, "model": spec.model.name, "task": spec.task.name, "metric": metric,
                    "metric_version": "1", "normalisation": "text@1", "level": level, "group": name,
                    "value": total / (n - failed) if n > failed else None, "ci_low": None, "ci_high": None, "n": n,
                    "n_scored": n - failed, "n_failed": failed, "value_if_failed_worst": (total + failed * worst) / n,
                    "value_if_failed_best": (total + failed * best) / n,
                })  # fmt: skip
        lines.insert(0, lines.pop())  # the evaluator writes the general level first
        frame = pl.DataFrame(lines, infer_schema_length=None).select(METRIC_COLUMNS)
        await self.store.put(layout.run_file(spec.run_id, "metrics.csv"), frame.write_csv().encode())
        general = lines[0]
        return MetricValue(
            metric=metric, value=general["value"], n=general["n"], n_scored=general["n_scored"],
            n_failed=general["n_failed"], higher_is_better=higher,
        )  # fmt: skip

    def fail(self, spec: RunSpec, message: str) -> None:
        """The run's state says that it failed; nothing is stored."""
        self.states[spec.run_id] = RunState(
            run_id=spec.run_id, job_id="job1", name=spec.name, model=spec.model.name, task=spec.task.name,
            backend_id=spec.backend_id, stages=spec.stages, stage="inference", status="failed", samples=spec.samples,
            shards=1, counts=OutcomeCounts(failed=spec.samples), failure=Failure(kind="backend", message=message),
        )  # fmt: skip

    def handlers(self) -> ReporterHandlers:
        async def run_state(run_id: str) -> RunState:
            if run_id not in self.states:
                raise NotFound(run_id)
            return self.states[run_id]

        async def job_state(job_id: str) -> JobState:
            return JobState(job_id=job_id, name="pages", status="running", submitted_at="2026-01-01T00:00:00+00:00")

        theirs = RightsStore(self.store, "reporter")
        return ReporterHandlers(theirs, ObjectCache(theirs, self.folder / "cache"), run_state, job_state)

    async def job(self, name: str = "pages", spec: JobSpec | None = None) -> dict[str, Any]:
        """Reports the job; the artefacts by name: text, or bytes of those in `BINARY`."""
        spec = spec or JobSpec(name=name, models=tuple({run.model.name: run.model for run in self.runs}.values()))
        plan = Plan(
            job_id="job1", spec=spec, runs=tuple(self.runs), created_at="2026-01-01T00:00:00+00:00",
            software={"vhb-shared": "0.1.0"},
        )  # fmt: skip
        await self.store.put(layout.plan("job1"), plan.model_dump_json().encode())
        done = await self.handlers().report_job(JobEvaluated(job_id="job1", name=name, round=2, announcement=3))
        assert (done.round, done.announcement, done.name) == (2, 3, name)
        assert all(allowed("reporter", "write", key) for key in done.artefacts.values())
        stored = {name: await self.store.get(key) for name, key in done.artefacts.items()}
        return {name: data if name in BINARY else data.decode() for name, data in stored.items()}

    async def run(self, spec: RunSpec) -> str:
        """Reports a run; the text of its report.md."""
        await self.store.put(layout.run_spec(spec.run_id), spec.model_dump_json().encode())
        event = RunEvaluationCompleted(
            job_id="job1", run_id=spec.run_id, name=spec.name, round=1, announcement=4, counts=OutcomeCounts()
        )
        done = await self.handlers().report_run(event)
        assert (done.round, done.announcement, done.run_id) == (1, 4, spec.run_id)
        return (await self.store.get(done.artefacts["report.md"])).decode()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty world."""
    return World(tmp_path)


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """An empty world for what the tests of a file only look at."""
    return World(tmp_path_factory.mktemp("world"))
