"""A backend session: claimed -> start -> ready -> serve shards -> idle -> stop."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog

from vhb_inference_agent.claims import HeldClaim
from vhb_inference_agent.endpoint import BackendLost, RunningBackend
from vhb_inference_agent.handlers import Runner, ShardHandlers
from vhb_inference_agent.intake import Appetite, ShardIntake
from vhb_inference_agent.manifest import for_run
from vhb_inference_agent.session_news import SessionNews
from vhb_inference_agent.survivors import Survivor
from vhb_inference_agent.telemetry.gauges import Observed
from vhb_inference_agent.telemetry.runner import MeasuredRunner
from vhb_inference_agent.telemetry.session import Measured, SessionTelemetry
from vhb_inference_agent.voice import EngineVoice
from vhb_shared.bus.client import Bus
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import AgentInfo, BackendDemand, SessionInfo
from vhb_shared.errors import Unavailable
from vhb_shared.placement.room import Lease
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
DETAIL_CHARS = 200
LAST_WORD_S = 3.0
"""How long a session that is interrupted tries to say so."""
SessionState = Literal["starting", "serving", "idle", "stopping"]


class ServedBackend(RunningBackend, Observed, Protocol):
    """A running backend that can also say what it is and how it is."""

    def manifest(self) -> dict[str, Any]:
        """What is really installed and running; becomes environment.json."""
        ...

    async def wait_lost(self) -> BackendLost:
        """Returns when it is lost for good."""
        ...


OnFailure = Callable[[Failure, bool, Sequence[AgentInfo]], float | None]
"""(failure, whether another replica serves, who is online) -> seconds until it is tried again, or None: it is not."""


@dataclass(frozen=True)
class Tenancy:
    """What a session was given: a claim, a lease, and perhaps a backend that runs already."""

    held: HeldClaim
    demand: BackendDemand
    lease: Lease
    survivor: Survivor | None = None
    """What a former life of this agent left running."""


Open = Callable[[Tenancy, Callable[[str], None]], AbstractAsyncContextManager[ServedBackend]]
"""(tenancy, on_progress) -> the backend, started on entering and stopped on leaving."""


class SessionRunner(Runner, Measured, Appetite, Protocol):
    """What answers shards, says what is in flight, and when it needs more."""


MakeRunner = Callable[[RunningBackend, int | None], AbstractAsyncContextManager[SessionRunner]]
"""(backend, the most requests in flight; None: the agent's own bound) -> what answers its shards."""


class BackendSession:
    """Serves one replica of one backend for as long as it is wanted and claimed."""

    def __init__(
        self,
        *,
        bus: Bus,
        store: ObjectStore,
        tenancy: Tenancy,
        open_backend: Open,
        make_runner: MakeRunner,
        telemetry: SessionTelemetry,
        idle_s: float,
        on_failure: OnFailure = lambda failure, served_elsewhere, agents: None,
        on_change: Callable[[], None] = lambda: None,
        voice: EngineVoice | None = None,
    ) -> None:
        """Args:
        telemetry: measures it.
        on_failure: told when the backend cannot be served.
        on_change: told when `info` says something new.
        voice: tells what the engine says; none for what runs elsewhere.
        """
        self._bus = bus
        self._store = store
        self._tenancy = tenancy
        self._held = tenancy.held
        self._news = SessionNews(bus, tenancy.held.claim, tenancy.demand)
        self._open = open_backend
        self._make_runner = make_runner
        self._telemetry = telemetry
        self._idle_s = idle_s
        self._on_failure = on_failure
        self._on_change = on_change
        self._voice = voice
        if voice is not None:
            voice.jobs = lambda: self._demand.job_ids
        self._unwanted_at: float | None = None
        self._leave: str | None = None
        claim = self._held.claim
        self.info = SessionInfo(
            backend_id=claim.backend_id,
            replica=claim.replica,
            model=self._demand.model.name,
            state="starting",
            since=time.time(),
            devices=tenancy.lease.devices,
            place=tenancy.lease.place,
            memory_gib=tenancy.lease.memory_gib,
        )
        """What the agent says of it."""

    @property
    def _demand(self) -> BackendDemand:
        return self._news.demand

    @property
    def model(self) -> ModelEntry:
        """The entry it serves."""
        return self._demand.model

    @property
    def job_ids(self) -> tuple[str, ...]:
        """Whose runs want it."""
        return self._demand.job_ids

    @property
    def unwanted_since(self) -> float | None:
        """Unix seconds since when no run wants it; None while one does."""
        return self._unwanted_at

    @property
    def wanted_since(self) -> float:
        """Unix seconds since when the longest waiting of its runs waits."""
        return self._demand.wanted_since

    @property
    def leaving(self) -> bool:
        """Whether it was asked to go."""
        return self._leave is not None

    def make_room(self) -> None:
        """Asks it to stop: at once when no run wants it, else when it has put down what it has in hand. One that is
        idle and is wanted again before it has heard of it stays."""
        self._leave = "another backend needs its place"

    async def run(self) -> None:
        """The whole session; ends when the backend is no longer wanted, is lost, or the claim is."""
        try:
            reason = await self._until_over()
        except asyncio.CancelledError:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(LAST_WORD_S):
                    await self._news.stopped("its agent was stopped")
            raise
        await self._news.stopped(reason)

    async def _until_over(self) -> str:
        """Why it ended."""
        try:
            async with self._voice or nullcontext():
                return await self._open_and_serve()
        except _Unwanted as unwanted:
            return str(unwanted)
        except BackendLost as lost:
            await self._fail(lost.failure, lost.log_tail)
            return lost.failure.message
        except Unavailable as error:
            # No fault of the backend: whoever looks next starts it again.
            return f"the server did not answer: {error}"
        except Exception as error:
            log.exception("session_failed", backend_id=self._held.claim.backend_id)
            reason = f"{type(error).__name__}: {error}"
            await self._fail(Failure(kind="internal", message=f"The backend could not be served: {reason}"), ())
            return reason
        finally:
            await self._held.release()

    async def _open_and_serve(self) -> str:
        claim = self._held.claim
        started = time.monotonic()
        if self._tenancy.survivor is None:
            await self._news.starting()
        await self._telemetry.before_start(running=self._tenancy.survivor is not None)
        async with AsyncExitStack() as stack:
            try:
                backend = await self._entered(stack)
                seconds = round(time.monotonic() - started, 3)
                if self._voice is not None:
                    self._voice.ready()
                if self._tenancy.survivor is None:
                    await self._news.ready(seconds)
                log.info("backend_ready", backend_id=claim.backend_id, model=self._demand.model.name, seconds=seconds)
                return await self._serve(backend)
            finally:
                self._show("stopping")

    async def _entered(self, stack: AsyncExitStack) -> ServedBackend:
        """The started backend; starting ends when nobody wants it any more."""
        opening = asyncio.create_task(stack.enter_async_context(self._open(self._tenancy, self._progress)))
        try:
            while not opening.done():
                await asyncio.wait([opening], timeout=LOOK_EVERY_S)
                if self._held.lost.is_set():
                    raise _Unwanted("the claim was lost")
                # A survivor may have nobody who wants it just now, and is warm.
                if not opening.done() and self._tenancy.survivor is None:
                    await self._look_at_demand()
                    if not self._demand.run_ids:
                        raise _Unwanted("no run wants it any more")
                    if self._leave is not None:
                        raise _Unwanted(self._leave)
            return opening.result()
        finally:
            if not opening.done():
                opening.cancel()
                await asyncio.wait([opening])

    async def _serve(self, backend: ServedBackend) -> str:
        model = self._demand.model
        concurrency = model.concurrency or backend.endpoint.default_concurrency
        manifest = backend.manifest()

        async with self._make_runner(backend, concurrency) as runner, self._telemetry.serve(backend, runner):

            async def on_run(run: RunSpec) -> None:
                key = layout.run_file(run.run_id, "environment.json")
                if not await self._store.exists(key):
                    await self._store.put(
                        key, json.dumps(for_run(manifest, run), indent=1, ensure_ascii=False).encode()
                    )

            async def infer(work: InferShard) -> None:
                try:
                    await handlers.infer(work)
                except BackendLost:
                    # The message stays in hand until the session ends; the scheduler then takes it off the queue.
                    await asyncio.Event().wait()

            measured = MeasuredRunner(runner, self._telemetry)
            handlers = ShardHandlers(self._bus, self._store, measured, self._held.claim.agent_id, on_run)
            intake = ShardIntake(self._bus, self._held.claim.backend_id, infer, runner)
            lost = asyncio.create_task(backend.wait_lost())
            tidying = asyncio.create_task(_tidy_always(handlers))
            self._show("serving", concurrency=runner.slots, detail="")
            try:
                async with intake:
                    return await self._until_unwanted(lost, runner)
            finally:
                lost.cancel()
                tidying.cancel()
                with suppress(Unavailable, TimeoutError):  # what stays is found by the next session
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await handlers.tidy()

    async def _until_unwanted(self, lost: asyncio.Task[BackendLost], runner: SessionRunner) -> str:
        while True:
            await asyncio.wait([lost], timeout=LOOK_EVERY_S)
            self.info = self.info.model_copy(update={"concurrency": runner.slots})
            if lost.done():
                raise lost.result()
            if self._held.lost.is_set():
                return "the claim was lost"
            await self._look_at_demand()
            if self._demand.run_ids:
                if self._unwanted_at is not None:
                    self._unwanted_at = self._leave = None
                    self._show("serving")
                elif self._leave is not None:
                    return self._leave
                continue
            now = time.time()
            if self._unwanted_at is None:
                self._unwanted_at = now
                self._show("idle")
            if self._leave is not None:
                return self._leave
            if self._demand.withdrawn:
                return "its job was cancelled"
            if now - self._unwanted_at >= self._idle_s:
                return f"no run wanted it for {self._idle_s:g} s"

    async def _look_at_demand(self) -> None:
        try:
            found = await self._bus.backends.get(self._held.claim.backend_id, BackendDemand)
        except Unavailable:
            return
        self._news.demand = found[0] if found is not None else self._demand.model_copy(update={"run_ids": ()})

    def _show(self, state: SessionState, **more: Any) -> None:
        """Says what it does now."""
        since = self.info.since if state == self.info.state else time.time()
        self.info = self.info.model_copy(update={"state": state, "since": since, **more})
        self._on_change()

    async def _fail(self, failure: Failure, log_tail: tuple[str, ...]) -> None:
        agents = await self._bus.agents.values(AgentInfo)
        again_in = self._on_failure(failure, self._served_elsewhere(agents), agents)
        if again_in is not None:
            await self._news.tried_again(failure, again_in)
        else:
            await self._news.failed(failure, log_tail)

    def _served_elsewhere(self, agents: Sequence[AgentInfo]) -> bool:
        """Whether another replica answers, here or on another host."""
        mine = (self._held.claim.agent_id, self._held.claim.replica)
        return any(
            session.backend_id == self.info.backend_id
            and session.state == "serving"
            and (agent.agent_id, session.replica) != mine
            for agent in agents
            for session in agent.sessions
        )

    def _progress(self, line: str) -> None:
        self.info = self.info.model_copy(update={"detail": line[:DETAIL_CHARS]})
        self._on_change()
        self._news.progress(line)


class _Unwanted(Exception):  # noqa: N818 - no error: it ends in good order
    """The session ends before its backend was ready."""


async def _tidy_always(handlers: ShardHandlers) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await handlers.tidy()
        except Unavailable as error:
            log.debug("tidying_waits", reason=str(error))
