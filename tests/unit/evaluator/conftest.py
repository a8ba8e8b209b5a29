"""A run in a directory store, and events about it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_evaluator.handlers import EvaluatorHandlers
from vhb_evaluator.tables import ANSWER_SCHEMA
from vhb_shared.contracts.events import Failure, RunInferenceCompleted, RunInferenceFailed, RunShardCompleted
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.datasets.pin import SAMPLE_SCHEMA
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.rights_store import RightsStore


def make_samples(references: Sequence[Sequence[str]], **columns: Sequence[Any]) -> pl.DataFrame:
    """Samples with ids "0", "1", ... and the given references and columns."""
    rows = len(references)
    given = {"index": range(rows), "id": map(str, range(rows)), "references": references, **columns}
    values = {name: list(given[name]) if name in given else [None] * rows for name in SAMPLE_SCHEMA}
    return pl.DataFrame(values, schema=SAMPLE_SCHEMA)


def make_answers(rows: Sequence[tuple[int, str | None, str]]) -> pl.DataFrame:
    """An answers part of (index, model_answer, outcome)."""
    table = pl.DataFrame(
        {
            "index": [row[0] for row in rows],
            "id": [str(row[0]) for row in rows],
            "model_answer": [row[1] for row in rows],
            "outcome": [row[2] for row in rows],
            "attempts": [1] * len(rows),
        },
        schema_overrides={"index": pl.UInt32, "model_answer": pl.String},
    )
    missing = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in ANSWER_SCHEMA.items() if name not in table.columns
    ]
    return table.with_columns(missing).select(ANSWER_SCHEMA.names())


class Bench:
    """One run's inputs in a directory store, and the handlers that evaluate it."""

    job_id, run_id, digest = "job1", "job1-r1", "d" * 64

    def __init__(self, folder: Path) -> None:
        self.store = DirectoryStore(folder / "store")
        self.state: RunState | None = None
        self.jobs: dict[str, JobState] = {}
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        theirs = RightsStore(self.store, "evaluator")
        self.handlers = EvaluatorHandlers(
            theirs, ObjectCache(theirs, folder / "cache"), self._load, self._load_job, scratch=self.scratch
        )

    async def _load(self, run_id: str) -> RunState:
        assert self.state is not None and run_id == self.run_id
        return self.state

    async def _load_job(self, job_id: str) -> JobState:
        return self.jobs[job_id]

    async def put_table(self, key: str, table: pl.DataFrame, folder: Path) -> None:
        path = folder / "table.parquet"
        table.write_parquet(path)
        await self.store.put_file(key, path)

    async def start(self, folder: Path, samples: pl.DataFrame, *, shard_size: int = 2, **options: Any) -> RunSpec:
        """Stores samples and run.json; `options`: of the task, `stages`, `answers_key`, `selected` samples."""
        await self.put_table(layout.dataset_samples(self.digest), samples, folder)
        count = options.pop("selected", samples.height)
        run_options = {name: options.pop(name) for name in ("stages", "answers_key") if name in options}
        run = RunSpec(
            job_id=self.job_id,
            run_id=self.run_id,
            name="m__t",
            model=ModelEntry(name="m", backend="openai"),
            task=TaskEntry(name="t", dataset="./d", **options),
            dataset=DatasetRef(digest=self.digest, name="d", source="./d", samples=samples.height),
            samples=count,
            shard_size=shard_size,
            shards=-(-count // shard_size),
            backend_id="b1",
            results_run_id=self.run_id,
            **{"stages": ("inference", "evaluation", "reporting"), **run_options},
        )
        await self.store.put(layout.run_spec(self.run_id), run.model_dump_json().encode())
        self.state = RunState(
            run_id=self.run_id, job_id=self.job_id, name=run.name, model="m", task="t", backend_id="b1",
            stages=run.stages, stage="evaluation", samples=run.samples, shards=run.shards,
        )  # fmt: skip
        return run

    async def commit(self, folder: Path, shard: int, answers: pl.DataFrame, token: str = "t0") -> RunShardCompleted:
        """Stores a part and makes it the one that counts."""
        assert self.state is not None
        await self.put_table(layout.answers_part(self.run_id, shard, token), answers, folder)
        self.state = self.state.model_copy(update={"committed": {**self.state.committed, shard: token}})
        return RunShardCompleted(
            job_id=self.job_id, run_id=self.run_id, name="m__t", shard=shard, attempt=0, token=token,
            part_key=layout.answers_part(self.run_id, shard, token), sha256="0" * 64,
            counts=OutcomeCounts.of(answers["outcome"]), seconds=1, agent_id="a",
        )  # fmt: skip

    def completed(self, **fields: Any) -> RunInferenceCompleted:
        values = {"samples": 0, "counts": OutcomeCounts(), **fields}
        return RunInferenceCompleted(job_id=self.job_id, run_id=self.run_id, name="m__t", **values)

    def failed(self, message: str) -> RunInferenceFailed:
        failure = Failure(kind="backend", message=message)
        return RunInferenceFailed(
            job_id=self.job_id, run_id=self.run_id, name="m__t", failure=failure, counts=OutcomeCounts()
        )

    async def table(self, name: str) -> pl.DataFrame:
        """One of the run's results files."""
        path = self.store.local_path(layout.run_file(self.run_id, name))
        assert path is not None
        return pl.read_parquet(path) if name.endswith(".parquet") else pl.read_csv(path, infer_schema=False)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(name="make_samples")
def _make_samples() -> Callable[..., pl.DataFrame]:
    return make_samples


@pytest.fixture(name="make_answers")
def _make_answers() -> Callable[..., pl.DataFrame]:
    return make_answers
