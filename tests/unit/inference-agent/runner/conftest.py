from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_inference_agent.runner.media import ImageEncoder
from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_inference_agent.runner.shard_runner import ShardRunner
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import Failure, RunShardCompleted
from vhb_shared.contracts.job import Generation, ModelEntry, Retries, TaskEntry
from vhb_shared.contracts.live import Live
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.rights_store import RightsStore


@pytest.fixture(scope="session")
def endpoint_process() -> Iterator[EndpointProcess]:
    with EndpointProcess() as process:
        yield process


@pytest.fixture
def endpoint(endpoint_process: EndpointProcess) -> EndpointProcess:
    endpoint_process.control(
        reset=True, delay_ms=0, chunks=4, chunk_delay_ms=0, api_key=None, usage=True, done=True,
        ignore_stream=False, answers={}, echo=False, rules=[], models=["stand-in"],
    )  # fmt: skip
    return endpoint_process


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vhb_inference_agent.runner.waiting.FIRST_WAIT_S", 0.02)


@dataclass
class FakeBackend:
    """A backend whose restarts a test decides."""

    base_url: str
    api_key: str = "none"
    restarts: int = 0
    lost: bool = False
    on_restart: Callable[[], None] | None = None
    replica: str = "0"
    asked_about: int = 0

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.base_url, "stand-in", self.api_key)

    async def after_connection_error(self) -> bool:
        self.asked_about += 1
        if self.lost:
            raise BackendLost(Failure(kind="backend", message="it died too often"))
        if self.restarts:
            self.restarts -= 1
            if self.on_restart:
                self.on_restart()
            return True
        return False


@dataclass
class Desk:
    """Everything a shard runner needs, and shorthands for asking it."""

    store: ObjectStore
    backend: FakeBackend
    state_dir: Path
    live: list[Live] = field(default_factory=list)
    concurrency: int = 8
    agent_id: str = "agent-1"
    images: ImageEncoder | None = None
    known: KnownAnswers | None = None

    async def _emit(self, message: Live) -> None:
        self.live.append(message)

    def runner(self) -> ShardRunner:
        theirs = RightsStore(self.store, "agent")
        return ShardRunner(
            store=theirs,
            copies=ObjectCache(theirs, self.state_dir / "cache"),
            images=self.images,
            backend=self.backend,
            checkpoints=self.state_dir / "checkpoints",
            agent_id=self.agent_id,
            emit=self._emit,
            concurrency=self.concurrency,
            known=self.known,
        )

    @staticmethod
    def run(
        dataset: DatasetRef,
        *,
        shard_size: int = 64,
        stream: bool = True,
        samples: int | None = None,
        task: Mapping[str, Any] | None = None,
        **model: Any,
    ) -> RunSpec:
        samples = samples or dataset.samples
        model = {"retries": Retries(max_attempts=3, max_wait_s=0.2), "generation": Generation()} | model
        return RunSpec(
            job_id="job",
            run_id="run",
            name="m__t",
            model=ModelEntry(name="stand-in", backend="openai", stream=stream, **model),
            task=TaskEntry(name="t", **task or {}),
            dataset=dataset,
            samples=samples,
            shard_size=shard_size,
            shards=-(-samples // shard_size),
            backend_id="b",
            stages=("inference",),
            results_run_id="run",
        )

    @staticmethod
    def work(shard: int = 0, attempt: int = 1, **more: Any) -> InferShard:
        return InferShard(job_id="job", run_id="run", backend_id="b", shard=shard, attempt=attempt, **more)

    async def answer(
        self, run: RunSpec, work: InferShard | None = None, *, announced: bool = True, **more: Any
    ) -> RunShardCompleted:
        work = work or self.work()
        async with self.runner() as runner:
            event = await runner.answer(run, work, lambda: False, **more)
            if announced:
                await runner.forget(work.run_id, work.shard)  # as the agent does once the shard is committed
        assert event is not None
        return event

    async def rows(self, event: RunShardCompleted) -> list[dict[str, Any]]:
        return pl.read_parquet(io.BytesIO(await self.store.get(event.part_key))).to_dicts()


@pytest.fixture
async def desk(tmp_path: Path, endpoint: EndpointProcess) -> AsyncIterator[Desk]:
    yield Desk(DirectoryStore(tmp_path / "store"), FakeBackend(endpoint.base_url), tmp_path / "state")
