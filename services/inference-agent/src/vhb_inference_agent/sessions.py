"""A backend session: claimed -> start -> ready -> serve shards -> idle -> stop."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol

import structlog
from faststream.nats import NatsBroker

from vhb_inference_agent.claims import HeldClaim
from vhb_inference_agent.endpoint import BackendLost, RunningBackend
from vhb_inference_agent.handlers import Runner, ShardHandlers
from vhb_inference_agent.intake import ShardIntake, shards_at_once
from vhb_shared.bus.client import Bus
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import BackendFailed, BackendReady, BackendStarting, BackendStopped, Failure
from vhb_shared.contracts.live import Notice
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import BackendDemand
from vhb_shared.errors import Unavailable
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0


class ServedBackend(RunningBackend, Protocol):
    """A running backend that can also say what it is."""

    def manifest(self) -> dict[str, Any]:
        """What is really installed and running; becomes environment.json."""
        ...

    async def wait_lost(self) -> BackendLost:
        """Returns when it is lost for good."""
        ...


Open = Callable[[BackendDemand, int, Callable[[str], None]], AbstractAsyncContextManager[ServedBackend]]
"""(demand, replica, on_progress) -> the backend, started on entering and stopped on leaving."""
MakeRunner = Callable[[RunningBackend, int], AbstractAsyncContextManager[Runner]]
"""(backend, concurrency) -> what answers its shards."""


class BackendSession:
    """Serves one replica of one backend for as long as it is wanted and claimed."""

    def __init__(
        self,
        *,
        bus: Bus,
        broker: NatsBroker,
        store: ObjectStore,
        held: HeldClaim,
        demand: BackendDemand,
        open_backend: Open,
        make_runner: MakeRunner,
        idle_s: float,
    ) -> None:
        self._bus = bus
        self._broker = broker
        self._store = store
        self._held = held
        self._demand = demand
        self._open = open_backend
        self._make_runner = make_runner
        self._idle_s = idle_s
        self._idle_since: float | None = None
        self._make_room = False
        self.failed = False
        """Whether it ended because the backend could not be served."""

    @property
    def idle(self) -> bool:
        """Whether no run wants it now."""
        return self._idle_since is not None

    def make_room(self) -> None:
        """Asks it to stop as soon as no run wants it."""
        self._make_room = True

    async def run(self) -> None:
        """The whole session; ends when the backend is no longer wanted, is lost, or the claim is."""
        claim = self._held.claim
        reason = "interrupted"
        started = time.monotonic()
        try:
            await self._tell(lambda job_id: BackendStarting(job_id=job_id, **self._names()))
            async with self._open(self._demand, claim.replica, self._progress) as backend:
                seconds = round(time.monotonic() - started, 3)
                await self._tell(lambda job_id: BackendReady(job_id=job_id, seconds=seconds, **self._names()))
                log.info("backend_ready", backend_id=claim.backend_id, model=self._demand.model.name, seconds=seconds)
                reason = await self._serve(backend)
        except BackendLost as lost:
            reason = lost.failure.message
            await self._fail(lost.failure, lost.log_tail)
        except Exception as error:
            log.exception("session_failed", backend_id=claim.backend_id)
            reason = f"{type(error).__name__}: {error}"
            await self._fail(Failure(kind="internal", message=f"The backend could not be served: {reason}"), ())
        finally:
            await self._held.release()
        log.info("backend_stopped", backend_id=claim.backend_id, reason=reason)
        await self._tell(lambda job_id: BackendStopped(job_id=job_id, reason=reason[:500], **self._names()))

    async def _serve(self, backend: ServedBackend) -> str:
        model = self._demand.model
        concurrency = model.concurrency or backend.endpoint.default_concurrency
        manifest = backend.manifest()

        async with self._make_runner(backend, concurrency) as runner:

            async def on_run(run: RunSpec) -> None:
                await intake.widen(shards_at_once(concurrency, run.shard_size))
                key = layout.run_file(run.run_id, "environment.json")
                if not await self._store.exists(key):
                    await self._store.put(key, json.dumps(manifest, indent=1, ensure_ascii=False).encode())

            async def infer(work: InferShard) -> None:
                try:
                    await handlers.infer(work)
                except BackendLost:
                    # The message stays in hand until the session ends; the scheduler then takes it off the queue.
                    await asyncio.Event().wait()

            handlers = ShardHandlers(self._bus, self._store, runner, self._held.claim.agent_id, on_run)
            intake = ShardIntake(self._broker, self._bus, self._held.claim.backend_id, infer)
            lost = asyncio.create_task(backend.wait_lost())
            tidying = asyncio.create_task(_tidy_always(handlers))
            try:
                async with intake:
                    return await self._until_unwanted(lost)
            finally:
                lost.cancel()
                tidying.cancel()
                with suppress(Unavailable, TimeoutError):  # what stays is found by the next session
                    await asyncio.wait_for(handlers.tidy(), LOOK_EVERY_S)

    async def _until_unwanted(self, lost: asyncio.Task[BackendLost]) -> str:
        while True:
            await asyncio.wait([lost], timeout=LOOK_EVERY_S)
            if lost.done():
                raise lost.result()
            if self._held.lost.is_set():
                return "the claim was lost"
            try:
                found = await self._bus.backends.get(self._held.claim.backend_id, BackendDemand)
            except Unavailable:
                continue
            if found is not None:
                self._demand = found[0] if found[0].run_ids else self._demand.model_copy(update={"run_ids": ()})
            if self._demand.run_ids:
                self._idle_since = None
                continue
            now = time.monotonic()
            self._idle_since = self._idle_since or now
            if self._make_room:
                return "another backend needs its place"
            if now - self._idle_since >= self._idle_s:
                return "idle"

    def _names(self) -> dict[str, Any]:
        claim = self._held.claim
        return {
            "backend_id": claim.backend_id,
            "model": self._demand.model.name,
            "agent_id": claim.agent_id,
            "replica": claim.replica,
            "session": claim.session,
        }

    async def _tell(self, event: Callable[[str], Any]) -> None:
        for job_id in self._demand.job_ids:
            await self._bus.publish(event(job_id))

    async def _fail(self, failure: Failure, log_tail: tuple[str, ...]) -> None:
        self.failed = True
        # Whoever joined the demand meanwhile waits for the same backend and must hear of it too.
        found = await self._bus.backends.get(self._held.claim.backend_id, BackendDemand)
        if found is not None and found[0].job_ids:
            self._demand = found[0]
        tail = tuple(line[:500] for line in log_tail[-20:])
        await self._tell(lambda job_id: BackendFailed(job_id=job_id, failure=failure, log_tail=tail, **self._names()))

    def _progress(self, line: str) -> None:
        for job_id in self._demand.job_ids:
            notice = Notice(job_id=job_id, source=self._demand.model.name, message=line[:500])
            task = asyncio.ensure_future(self._bus.live(notice))
            task.add_done_callback(lambda done: done.exception())


async def _tidy_always(handlers: ShardHandlers) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await handlers.tidy()
        except Unavailable as error:
            log.debug("tidying_waits", reason=str(error))
