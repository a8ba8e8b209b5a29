"""A scheduler over a real nats-server, without agents: what they would say is said by the tests."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from vhb_scheduler import reconcile
from vhb_scheduler.announcer import Announcer
from vhb_scheduler.handlers import SchedulerHandlers
from vhb_scheduler.reconcile import Reconciler
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import SubmitJob
from vhb_shared.contracts.events import RunEvaluationCompleted, RunShardCompleted
from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.datasets.pin import Manifest
from vhb_shared.registry.registry import Registry
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.nats_server import provisioned_bus, running_server
from vhb_shared.testing.samples import store_samples

MODEL = ModelEntry(name="m", backend="openai", base_url="http://127.0.0.1:9/v1")


@dataclass
class Desk:
    """The scheduler's parts, and what tests ask of them."""

    bus: Bus
    store: ObjectStore
    handlers: SchedulerHandlers
    reconciler: Reconciler
    dataset: DatasetRef

    async def submit(self, job_id: str = "j", **spec: object) -> RunState:
        """A job of one run in three shards of two samples."""
        task = TaskEntry(name="t", dataset=f"sha256:{self.dataset.digest}", prompt="Read: {{ question }}")
        job = JobSpec(name=job_id, models=(MODEL,), tasks=(task,), shard_size=2, stages=("inference",), **spec)
        await self.handlers.submit(SubmitJob(job_id=job_id, job=job))
        return await self.run(f"{job_id}-0")

    async def run(self, run_id: str = "j-0") -> RunState:
        found = await self.bus.jobs.get(subjects.run_key(run_id), RunState)
        assert found is not None
        return found[0]

    async def job(self, job_id: str = "j") -> JobState:
        found = await self.bus.jobs.get(subjects.job_key(job_id), JobState)
        assert found is not None
        return found[0]

    async def complete(self, shard: int, *, failed: int = 0, round: int = 0) -> None:
        """An agent says that a shard is done."""
        await self.handlers.shard_completed(
            RunShardCompleted(
                job_id="j", run_id="j-0", name="m__t", round=round, shard=shard, attempt=0, token=f"{shard:012x}",
                part_key="k", sha256="s", counts=OutcomeCounts(answered=2 - failed, failed=failed), seconds=1,
                agent_id="a",
            )
        )  # fmt: skip

    async def evaluated(self) -> None:
        """The evaluator says that the run is done."""
        run = await self.run()
        await self.handlers.evaluation_completed(
            RunEvaluationCompleted(job_id="j", run_id="j-0", name="m__t", round=run.round, counts=run.counts)
        )

    async def waiting(self, subject: str) -> set[str]:
        """Subjects of messages on the work queue."""
        info = await self.bus.js.stream_info(topology.WORK, subjects_filter=subject)
        return set(info.state.subjects or {})

    async def shards(self, run: RunState) -> set[int]:
        """Shards of a run that wait for an agent."""
        found = await self.waiting(subjects.inference_of_run(run.backend_id, run.run_id))
        return {int(subject.rpartition(".")[2]) for subject in found}

    async def look_twice(self) -> None:
        """The reconciler looks, and again when its patience is over."""
        await self.reconciler.look()
        await asyncio.sleep(0.1)
        await self.reconciler.look()


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(reconcile, "PATIENCE_S", 0.05)
    monkeypatch.setattr(reconcile, "LIST_EVERY_S", 0)
    store = DirectoryStore(tmp_path / "store")
    dataset = await store_samples(store, 6)
    manifest = Manifest(dataset=dataset, images=6)
    await store.put(layout.dataset_manifest(dataset.digest), manifest.model_dump_json().encode())
    async with running_server(tmp_path / "nats") as server, provisioned_bus(server) as bus:
        announcer = Announcer(bus)
        handlers = SchedulerHandlers(bus, store, Registry.load(), announcer)
        yield Desk(bus, store, handlers, Reconciler(bus, store, announcer), dataset)
