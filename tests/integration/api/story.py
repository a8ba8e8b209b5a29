"""Jobs with a real scheduler on a real bus; what agents, evaluators and reporters would say is said by the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vhb_scheduler.app import setup
from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import make_broker
from vhb_shared.bus.history import stored
from vhb_shared.bus.service import Service
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts import events, subjects, topology
from vhb_shared.contracts.commands import CancelJob, RetryJob, SubmitJob
from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.contracts.results import MetricValue, OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.datasets.pin import Manifest
from vhb_shared.errors import NotFound, Unavailable
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.nats_server import NatsServer, provisioned_bus, running_server
from vhb_shared.testing.samples import store_samples


@dataclass
class Story:
    """What tests tell and ask."""

    server: NatsServer
    bus: Bus
    store: ObjectStore
    dataset: DatasetRef
    states: StateReader

    def spec(self, name: str, *, models: int = 1, dataset: str | None = None) -> JobSpec:
        """Three shards of two samples for each model."""
        address = "http://127.0.0.1:9"
        entries = [ModelEntry(name=f"m{n}", backend="openai", base_url=f"{address}/{n}") for n in range(models)]
        data = dataset or f"sha256:{self.dataset.digest}"
        task = TaskEntry(name="t", dataset=data, prompt="Read: {{ question }}", metrics=("cer",))
        return JobSpec(name=name, models=tuple(entries), tasks=(task,), shard_size=2)

    async def submit(self, job_id: str, spec: JobSpec | None = None, **spec_options: Any) -> JobState:
        job = spec or self.spec(job_id, **spec_options)
        await self.bus.command(subjects.SUBMIT, SubmitJob(job_id=job_id, job=job), f"submit:{job_id}")
        return await self.until_job(job_id, lambda job: job.status != "accepted")

    async def answer(self, run: RunState, *, failed: int = 0, shards: int = 3) -> None:
        """An agent serves the run; `failed` samples of the last shard fail."""
        common = {"job_id": run.job_id, "run_id": run.run_id, "name": run.name, "round": run.round}
        backend = {"job_id": run.job_id, "backend_id": run.backend_id, "model": run.model, "agent_id": "agent-0"}
        backend["session"] = f"s{run.round}"
        await self.bus.publish(events.BackendStarting(**backend))
        await self.bus.publish(events.BackendReady(**backend, seconds=1.5))
        await self.bus.publish(
            events.RunInferenceStarted(**common, backend_id=run.backend_id, samples=6, agent_id="agent-0")
        )
        for shard in run.to_ask[:shards]:
            lost = failed if shard == 2 else 0
            await self.bus.publish(
                events.RunShardCompleted(
                    **common, shard=shard, attempt=run.attempts.get(shard, 0), token=f"{shard:012x}{run.round}",
                    part_key="k", sha256="s", counts=OutcomeCounts(answered=2 - lost, failed=lost), seconds=1,
                    agent_id="agent-0",
                )
            )  # fmt: skip
        await self.bus.publish(events.BackendStopped(**backend, reason="idle"))

    async def evaluate(self, run: RunState) -> None:
        """An evaluator and a reporter do their part."""
        run = await self.until_run(run.run_id, lambda state: state.stage == "evaluation")
        common = {"job_id": run.job_id, "run_id": run.run_id, "name": run.name, "round": run.round}
        metrics = (MetricValue(metric="cer", value=0.25, n=6, n_scored=6, n_failed=0, higher_is_better=False),)
        await self.bus.publish(events.RunEvaluationCompleted(**common, counts=run.counts, metrics=metrics))
        await self.until_run(run.run_id, lambda state: state.stage in ("reporting", "done"))
        await self.bus.publish(events.RunReportCompleted(**common))

    async def report(self, job_id: str) -> JobState:
        """A reporter sums the job up."""
        job = await self.until_job(job_id, lambda job: job.evaluated or job.ended)
        report = events.JobReportCompleted(job_id=job_id, name=job.name, round=job.round)
        await self.bus.publish(report)
        return await self.until_job(job_id, lambda job: job.ended and job.reported)

    async def complete(self, job_id: str, *, failed: int = 0, **options: Any) -> JobState:
        """A whole job."""
        job = await self.submit(job_id, **options)
        for run in await self.states.runs(job):
            await self.answer(run, failed=failed)
            await self.evaluate(run)
        return await self.report(job_id)

    async def retry(self, job_id: str) -> JobState:
        """What failed, asked again."""
        before = await self.states.job(job_id)
        command = RetryJob(job_id=job_id, failed_only=True)
        await self.bus.command(subjects.RETRY, command, f"retry:{job_id}:{before.round}")
        job = await self.until_job(job_id, lambda job: job.round > before.round)
        for run in await self.states.runs(job):
            if run.stage == "inference":
                await self.answer(run)
                await self.evaluate(run)
        return await self.report(job_id)

    async def cancel(self, job_id: str) -> JobState:
        """Stopped; what there is, is evaluated and reported."""
        await self.bus.command(subjects.CANCEL, CancelJob(job_id=job_id), f"cancel:{job_id}")
        job = await self.until_job(job_id, lambda job: job.ended)
        for run in await self.states.runs(job):
            await self.evaluate(run)
        return await self.report(job_id)

    async def lose_backend(self, job_id: str) -> JobState:
        """A job whose backend cannot be started."""
        job = await self.submit(job_id)
        for run in await self.states.runs(job):
            failure = events.Failure(kind="backend", message="No such model: check its name.\0")
            about = {"job_id": job_id, "backend_id": run.backend_id, "model": run.model, "agent_id": "agent-1"}
            await self.bus.publish(events.BackendStarting(**about, session="x"))
            await self.bus.publish(events.BackendFailed(**about, session="x", failure=failure))
            await self.evaluate(run)
        return await self.report(job_id)

    async def tell(self) -> None:
        """Everything that may happen to a job."""
        await self.complete("done", models=2)
        await self.submit("refused", dataset="sha256:" + "0" * 64)
        await self.complete("mended", failed=1)
        await self.retry("mended")
        run = (await self.states.runs(await self.submit("stopped")))[0]
        await self.answer(run, shards=1)
        await self.until_run(run.run_id, lambda state: len(state.committed) == 1)
        await self.cancel("stopped")
        await self.lose_backend("broken")
        run = (await self.states.runs(await self.submit("open")))[0]
        await self.answer(run, shards=2)
        await self.until_run(run.run_id, lambda state: len(state.committed) == 2)

    async def until_job(self, job_id: str, wanted: Callable[[JobState], bool]) -> JobState:
        return await self._until(lambda: self.states.job(job_id), wanted)

    async def until_run(self, run_id: str, wanted: Callable[[RunState], bool]) -> RunState:
        return await self._until(lambda: self.states.run(run_id), wanted)

    async def _until(self, ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(30):
            while True:
                try:
                    found = await ask()
                    if wanted(found):
                        return found
                except (NotFound, Unavailable):  # not written down yet; or a busy machine
                    pass
                await asyncio.sleep(0.02)

    async def stream(self) -> list[tuple[int, Any]]:
        """The events as they lie in the stream."""
        return [pair async for pair in stored(self.bus.nc, topology.EVENTS, subjects.ALL_EVENTS)]


@asynccontextmanager
async def story(folder: Path) -> AsyncIterator[Story]:
    """A bus, a storage and a scheduler."""
    store = DirectoryStore(folder / "store")
    dataset = await store_samples(store, 6)
    manifest = Manifest(dataset=dataset, images=6)
    await store.put(layout.dataset_manifest(dataset.digest), manifest.model_dump_json().encode())
    async with running_server(folder / "nats") as server, provisioned_bus(server) as bus:
        broker = make_broker(server.settings, "scheduler-broker", graceful_timeout_s=1)
        async with setup(Service("scheduler", bus, broker, store)):
            await broker.start()
            yield Story(server, bus, store, dataset, StateReader(bus))
            await broker.ping(10)  # again, after a test that took the server away: only then it ends in good order
            await broker.stop()
