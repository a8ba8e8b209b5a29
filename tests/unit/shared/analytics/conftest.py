"""Results of two jobs by two models on the same eight samples, and a job in which a metric asks a model."""

from pathlib import Path

import pytest

from vhb_shared.contracts.events import Questions
from vhb_shared.contracts.job import MetricSpec, ModelEntry
from vhb_shared.contracts.plan import Plan
from vhb_shared.jobs.questions import question_job, question_job_id
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.results import MadeRun, store_job

OLD = [
    MadeRun("good", [f"answer {n}" for n in range(8)], [1.0] * 7 + [0.0], latency_ms=200),
    MadeRun("bad", [f"answer {n}" if n < 4 else None if n == 7 else "?" for n in range(8)],
            [1.0] * 4 + [0.0] * 3 + [None], latency_ms=50),
]  # fmt: skip
NEW = [MadeRun("good", [f"answer {n}" if n < 4 else "!" for n in range(8)], [1.0] * 4 + [0.0] * 4, latency_ms=150)]


async def fill(store: ObjectStore) -> None:
    await store_job(store, "old", OLD, created_at="2026-01-01T12:00:00+02:00")
    await store_job(store, "new", NEW, created_at="2026-02-01T10:00:00+00:00")
    plan = Plan.model_validate_json(await store.get(layout.plan("old")))
    judge = MetricSpec(name="judge", models=(ModelEntry(name="m", backend="openai"),))
    run = plan.runs[0].model_copy(update={"task": plan.runs[0].task.model_copy(update={"metrics": (judge,)})})
    asked = Questions(metric=0, dataset_digest="e" * 64, samples=1)
    job_id = question_job_id(run.run_id, 0, 0)
    made = plan.model_copy(update={"job_id": job_id, "spec": question_job(run, asked, "old"), "runs": ()})
    await store.put(layout.plan(job_id), made.model_dump_json().encode())


@pytest.fixture
async def store(tmp_path: Path) -> DirectoryStore:
    made = DirectoryStore(tmp_path / "store", durable=False)
    await fill(made)
    return made
