"""The way of a benchmark through readers, pinning, planning, evaluation and reports, in one process, on a directory."""

import csv
import hashlib
import io
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from vhb_evaluator.handlers import EvaluatorHandlers
from vhb_evaluator.tables import ANSWER_SCHEMA
from vhb_reporter.handlers import ReporterHandlers
from vhb_shared.contracts.events import (
    Failure,
    JobEvaluated,
    RunEvaluationCompleted,
    RunInferenceCompleted,
    RunInferenceFailed,
    RunShardCompleted,
)
from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.datasets.selection import shard_samples
from vhb_shared.errors import NotFound
from vhb_shared.jobs.bundle import bundle_job
from vhb_shared.jobs.expand import expand_job
from vhb_shared.jobs.load import LoadedJob
from vhb_shared.registry.registry import Registry
from vhb_shared.settings import RegistrySettings
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.rights_store import RightsStore

from .drawing import Benchmark, Reply, Shard
from .writing import write_answers

JOB = "counted"
BROKEN = "the backend could not be started"
ASKED = {"attempts": 1, "latency_ms": 500.0, "started_at": "2026-01-01T00:00:00+00:00",
         "answered_at": "2026-01-01T00:00:00.500000+00:00"}  # fmt: skip
REGISTRY = Registry.load(None, RegistrySettings(registry_dirs=()))


@dataclass
class Journey:
    """One job under way. `expected` is kept beside it by question: what answers.csv has to say."""

    folder: Path
    store: DirectoryStore = field(init=False)
    states: dict[str, RunState] = field(default_factory=dict)
    expected: dict[str, list[tuple[str, Reply]]] = field(default_factory=dict)
    """Run id -> id and reply of every question, in order, as results are to have them."""

    imported: list[tuple[str, Reply]] = field(default_factory=list)
    """The same, of answers made elsewhere."""

    def __post_init__(self) -> None:
        self.store = DirectoryStore(self.folder / "store", durable=False)

    async def plan(self, drawn: Benchmark, source: str) -> Plan:
        """Reads and pins the data set, and plans the runs, as the CLI and the scheduler do."""
        if drawn.imported:
            self._write_answers(drawn)
        task = TaskEntry(
            name="task", dataset=source, prompt="Say.", metrics=tuple(drawn.metrics), limit=drawn.limit,
            epochs=drawn.epochs, circular=drawn.circular, filter={"doc_class": drawn.classes},
            answers="answers.csv" if drawn.imported else None,
        )  # fmt: skip
        models = [
            ModelEntry(name=f"m{number}", backend="openai", base_url="http://127.0.0.1:1/v1", model="m")
            for number in range(len(drawn.models))
        ]
        spec = JobSpec(name="count", models=models, tasks=[task], shard_size=drawn.shard_size, skip_bad_rows=True)
        bundled = await bundle_job(LoadedJob(spec, self.folder / "data"), self.store, REGISTRY)
        plan = Plan(job_id=JOB, spec=bundled, runs=await expand_job(bundled, JOB, self.store),
                    created_at="2026-01-01T00:00:00+00:00")  # fmt: skip
        for run in plan.runs:
            await self.store.put(layout.run_spec(run.run_id), run.model_dump_json().encode())
        await self.store.put(layout.plan(JOB), plan.model_dump_json().encode())
        return plan

    def _write_answers(self, drawn: Benchmark) -> None:
        said = itertools.cycle(drawn.models[0][0].replies)
        replies = [(name, next(said)) for name, _ in drawn.asked]
        write_answers(replies, self.folder / "data" / "answers.csv")
        self.imported = [(name, (reply or Reply("failed", None)).settled) for name, reply in replies]

    def path(self, key: str) -> Path:
        """The file of an object."""
        found = self.store.local_path(key)
        assert found is not None
        return found

    async def evaluate(self, run: RunSpec, shards: list[Shard], ending: str) -> RunEvaluationCompleted:
        """Stores the answers of a run, and evaluates it."""
        theirs = RightsStore(self.store, "evaluator")
        handlers = EvaluatorHandlers(
            theirs, ObjectCache(theirs, self.folder / "cache"), self._run_state, self._job_state
        )
        self.states[run.run_id] = RunState(
            run_id=run.run_id, job_id=JOB, name=run.name, model=run.model.name, task=run.task.name,
            backend_id=run.backend_id, stages=run.stages, stage="evaluation", samples=run.samples, shards=run.shards,
            cancel_requested=ending == "cancelled",
        )  # fmt: skip
        self.expected[run.run_id] = list(self.imported)
        for number in range(run.shards) if run.answers_key is None else ():
            shard = shards[number % len(shards)]
            event = await self._answer(run, number, shard, "withdrawn" if ending == "cancelled" else "failed")
            if event is not None and shard.scored_ahead:
                await handlers.on_shard_completed(event)
        about = {"job_id": JOB, "run_id": run.run_id, "name": run.name, "counts": OutcomeCounts()}
        ended: RunInferenceCompleted | RunInferenceFailed = RunInferenceCompleted(samples=run.samples, **about)
        if ending == "failed":
            ended = RunInferenceFailed(failure=Failure(kind="backend", message=BROKEN), **about)
        done = await handlers.evaluate_run(ended)
        said = {"counts": done.counts, "metrics": done.metrics, "stage": "reporting"}
        self.states[run.run_id] = self.states[run.run_id].model_copy(update=said)
        return done

    async def _answer(self, run: RunSpec, number: int, shard: Shard, lost: str) -> RunShardCompleted | None:
        asked = shard_samples(self.path(layout.dataset_samples(run.dataset.digest)), run, number)
        expected, rows = self.expected[run.run_id], []
        for place, (index, name) in enumerate(asked.select("index", "id").iter_rows()):
            reply = shard.replies[place % len(shard.replies)] if shard.stored else None
            expected.append((name, (reply or Reply(lost, None)).settled))
            if reply is not None:
                rows.append({"index": index, "id": name, "model_answer": reply.text, "outcome": reply.outcome, **ASKED})
        if not shard.stored:
            return None
        if shard.strangers:
            strange = {"model_answer": "of somebody else", "outcome": "answered", **ASKED}
            rows += [{"index": 4_000_000, "id": "nobody", **strange}]
            rows += [{"index": row["index"], "id": "nobody", **strange} for row in rows[:1]]
            rows += [{"index": 4_000_000, "id": row["id"], **strange} for row in rows[:1]]
        if shard.backwards:
            rows.reverse()
        if shard.strangers and (own := next((row for row in rows if row["id"] != "nobody"
                                             and row["index"] != 4_000_000), None)):  # fmt: skip
            rows.append({**own, "model_answer": "the second one does not count", "outcome": "answered"})
        kinds = {name: ANSWER_SCHEMA[name] for name in ("index", "id", "model_answer", "outcome", *ASKED)}
        table = pl.DataFrame(rows, schema=kinds)
        lacking = [pl.lit(None, dtype=kind).alias(name) for name, kind in ANSWER_SCHEMA.items() if name not in kinds]
        buffer = io.BytesIO()
        table.with_columns(lacking).select(ANSWER_SCHEMA.names()).write_parquet(buffer)
        token = hashlib.sha256(buffer.getvalue()).hexdigest()[:16]
        key = layout.answers_part(run.run_id, number, token)
        await self.store.put(key, buffer.getvalue())
        state = self.states[run.run_id]
        self.states[run.run_id] = state.model_copy(update={"committed": {**state.committed, number: token}})
        return RunShardCompleted(
            job_id=JOB, run_id=run.run_id, name=run.name, shard=number, attempt=0, token=token, part_key=key,
            sha256="0" * 64, counts=OutcomeCounts(), seconds=1, agent_id="a",
        )  # fmt: skip

    async def report(self) -> dict[str, bytes]:
        """Reports the job; artefacts by name, with what samples.html loads as `samples/...`."""
        theirs = RightsStore(self.store, "reporter")
        cache = ObjectCache(theirs, self.folder / "cache")
        done = await ReporterHandlers(theirs, cache, self._run_state, self._job_state).report_job(
            JobEvaluated(job_id=JOB, name="count")
        )
        files = {name: await self.store.get(key) for name, key in done.artefacts.items()}
        prefix = layout.job_samples(JOB, "")
        async for info in self.store.list(prefix):
            files[f"samples/{info.key.removeprefix(prefix)}"] = await self.store.get(info.key)
        return files

    async def _run_state(self, run_id: str) -> RunState:
        if run_id not in self.states:
            raise NotFound(run_id)
        return self.states[run_id]

    async def _job_state(self, job_id: str) -> JobState:
        return JobState(job_id=job_id, name="count", status="running", submitted_at="2026-01-01T00:00:00+00:00")

    def table(self, run: RunSpec, name: str) -> pl.DataFrame:
        """A table of a run's results, written as Parquet."""
        return pl.read_parquet(self.path(layout.run_file(run.run_id, name)))

    def rows(self, run: RunSpec, name: str) -> list[dict[str, str]]:
        """A table of a run's results, written as CSV, read by another reader than ours."""
        return csv_rows(self.path(layout.run_file(run.run_id, name)).read_bytes())


def csv_rows(data: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file, by the standard library's reader."""
    csv.field_size_limit(max(csv.field_size_limit(), len(data)))
    head, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def shown(files: dict[str, bytes], name: str) -> Any:
    """What a data file of samples.html hands over."""
    text = files[f"samples/{name}.js"].decode()
    before, after = f'vhbSamples("{name}",', ");\n"
    assert text.startswith(before) and text.endswith(after)
    return json.loads(text[len(before) : -len(after)])
