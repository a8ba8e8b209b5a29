"""A backend from start to stop: prepared, started, awaited, restarted when it dies, given up after too many deaths."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from vhb_inference_agent.backends.base import BackendAdapter
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_inference_agent.launching import complete, fitted
from vhb_inference_agent.leftovers import Leftovers
from vhb_inference_agent.manifest import describe
from vhb_inference_agent.placed import Adopted, Keep, Listener, Placed
from vhb_inference_agent.readiness import TAIL_LINES, Readiness
from vhb_inference_agent.restarts import Deaths, RestartPolicy
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.state import Device
from vhb_shared.environments.base import (
    Environment,
    EnvironmentFailed,
    EnvironmentHandle,
    EnvironmentSpec,
    Exit,
    Progress,
    Stats,
)
from vhb_shared.placement.room import Lease

_READ_LINES = 400
"""What is searched for the reason of a death: an engine's root cause stands far above its last line."""
_NOTICE_S = 1.0
"""A connection can break before the system says that the process is gone: wait this long for the news. For as long
after a restart, a connection error is taken to be that death's."""


class OpenedBackend:
    """A `RunningBackend`: `async with OpenedBackend(...) as backend` returns when it answers.

    Raises on entering:
        BackendLost: it cannot be started, or an existing server fails its check; the reason is in `failure`.
    """

    def __init__(
        self,
        adapter: BackendAdapter,
        model: ModelEntry,
        environment: Environment | None = None,
        *,
        replica: str = "0",
        on_progress: Progress | None = None,
        labels: Mapping[str, str] | None = None,
        lease: Lease | None = None,
        devices: Sequence[Device] = (),
        adopt: Adopted | None = None,
        keep: Keep | None = None,
        leftovers: Leftovers | None = None,
        listener: Listener | None = None,
        environ: Mapping[str, str] | None = None,
        policy: RestartPolicy | None = None,
        stop_grace_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        lease: what it may use of the host.
        devices: what the leased devices are.
        adopt: what a former life of the agent started, recovered already: it is awaited and not started.
        keep: writes down what runs, so that the agent's next life finds it.
        leftovers: takes what cannot be ended when it is time.
        listener: hears what runs.
        """
        self._adapter, self._model, self._environment = adapter, model, environment
        self._replica, self._labels, self._lease = replica, dict(labels or {}), lease
        self._adopt, self._keep, self._leftovers, self._devices = adopt, keep, leftovers, tuple(devices)
        self._listener = listener
        self._hung: asyncio.Future[str] | None = None
        self._progress: Progress = on_progress or (lambda _: None)
        self._environ = os.environ if environ is None else environ
        self._deaths = Deaths(policy or RestartPolicy(), self._served_s)
        self._stop_grace_s, self._clock = stop_grace_s, clock
        self._died_at: float | None = None
        self._down_s = 0.0
        self._placed: Placed | None = None
        self._elsewhere: Endpoint | None = None
        self._manifest: dict[str, Any] = {}
        self._restarts = 0
        self._ready_at = float("-inf")
        self._dead = asyncio.Event()
        self._up = asyncio.Event()
        self._lost: BackendLost | None = None
        self._over = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers now; changes with a restart."""
        endpoint = self._elsewhere if self._placed is None else self._placed.endpoint
        assert endpoint is not None, "not entered"
        return endpoint

    @property
    def replica(self) -> str:
        """Which replica this is."""
        return self._replica

    @property
    def restarts(self) -> int:
        """How often it was brought back."""
        return self._restarts

    @property
    def handle(self) -> EnvironmentHandle | None:
        """What runs now; None for an existing server."""
        return None if self._placed is None else self._placed.handle

    async def __aenter__(self) -> Self:
        try:
            spec = self._adapter.launch(self._model) if self._adopt is None else self._adopt.spec
            if spec is None:
                self._elsewhere = self._adapter.endpoint(self._model, None, self._environ)
                await self._adapter.check_ready(self._model, self._elsewhere)
            else:
                await self._place(spec)
            await self._describe()
        except EnvironmentFailed as error:
            await self._close()
            raise BackendLost(error.failure, error.log_tail) from error
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def after_connection_error(self) -> bool:
        """See `RunningBackend.after_connection_error`. Concurrent callers share one restart."""
        if self._watch is None:
            return False
        if self._up.is_set():
            recent = self._restarts > 0 and self._clock() - self._ready_at < _NOTICE_S
            if recent and await self._adapter.check_ready(self._model, self.endpoint) and self._up.is_set():
                return True
        if self._up.is_set():
            try:
                async with asyncio.timeout(_NOTICE_S):
                    await self._dead.wait()
            except TimeoutError:
                return False
        await _first(self._up.wait(), self._over.wait())
        if self._lost is not None:
            raise self._lost
        return True

    def declare_hung(self, reason: str) -> None:
        """Says that it runs and does nothing any more: it is ended and started again, which counts as a death.
        Nothing while it is down already, and for an existing server."""
        if self._hung is not None and not self._hung.done() and self._up.is_set():
            self._hung.set_result(reason)

    async def wait_lost(self) -> BackendLost:
        """Returns when the backend is lost for good: why. For who holds it without asking anything just now."""
        await self._over.wait()
        assert self._lost is not None
        return self._lost

    def manifest(self) -> dict[str, Any]:
        """What environment.json says of it: what was really installed and run. Holds no key."""
        return {**self._manifest, "restarts": self._restarts}

    async def logs(self, lines: int = TAIL_LINES) -> tuple[str, ...]:
        """The last lines of its output; empty for an existing server."""
        return () if self._placed is None else await self._placed.logs(lines)

    @property
    def up(self) -> bool | None:
        """Whether it runs now; None for an existing server, which is not ours to restart."""
        return None if self._watch is None else self._up.is_set()

    @property
    def memory_limit(self) -> int | None:
        """Bytes of memory that its environment allows it; None without a limit."""
        return None if self._placed is None else self._placed.spec.memory_bytes

    async def stats(self) -> Stats | None:
        """What its processes use now; None for an existing server."""
        return None if self._placed is None else await self._placed.stats()

    async def answers(self) -> bool:
        """Whether it answers its health check now."""
        try:
            return await self._adapter.check_ready(self._model, self.endpoint)
        except BackendLost:
            return False

    async def _place(self, spec: EnvironmentSpec) -> None:
        """Has it running and answering, and watched from then on."""
        if self._environment is None:
            message = f"The backend of {self._model.name} ({self._adapter.name}) needs an environment on this agent."
            raise BackendLost(Failure(kind="environment_failed", message=message))
        if self._adopt is None:
            spec = fitted(complete(spec, self._model, self._lease), self._environment)
            spec = spec.model_copy(update={"labels": {**spec.labels, **self._labels}})
        readiness = Readiness(self._adapter, self._model, spec, self._environ, self._progress, self._clock)
        placed = Placed(
            self._environment, readiness,
            stop_grace_s=self._stop_grace_s, keep=self._keep, leftovers=self._leftovers,
            listener=self._listener,
        )  # fmt: skip
        self._placed = placed
        ended = None if self._adopt is None else await placed.adopt(self._adopt)
        if ended is not None:
            await self._count_death(ended, await placed.logs(_READ_LINES))
        if self._adopt is None or ended is not None:
            await self._bring_up(placed)
        self._manifest = placed.manifest
        self._up.set()
        self._watch = asyncio.create_task(self._keep_up(placed), name=f"watch {self._model.name}")

    async def _describe(self) -> None:
        if self._manifest:
            return
        spec = None if self._placed is None else self._placed.spec
        self._manifest = await describe(
            self._adapter, self._model, self._environment, spec, self.endpoint, self._devices
        )
        if self._placed is not None:
            self._placed.manifest = self._manifest
            await self._placed.write_down()

    async def _keep_up(self, placed: Placed) -> None:
        """Waits for its death and brings it back, until it is lost."""
        try:
            while True:
                self._hung = asyncio.get_running_loop().create_future()
                ended, hung = await placed.until_dead(self._hung)
                self._died_at = self._clock()
                self._dead.set()
                self._up.clear()
                tail = await placed.logs(_READ_LINES)
                words = ended.words if hung is None else f"hangs ({hung})"
                self._progress(f"the backend of {self._model.name} {words}; starting it again")
                if hung is not None:
                    await placed.stop()  # requests that wait for it must break off now, not after the delay
                await self._count_death(ended, tail, hung)
                await self._bring_up(placed)
                self._restarts += 1
                self._ready_at = self._clock()
                self._down_s += self._ready_at - self._died_at
                self._died_at = None
                self._dead.clear()
                self._up.set()
        except BackendLost as lost:
            self._lose(lost)
        except Exception as error:
            self._lose(BackendLost(Failure(kind="backend_died", message=f"{self._model.name}: {error}")))

    def _lose(self, lost: BackendLost) -> None:
        self._lost = lost
        self._over.set()

    async def _bring_up(self, placed: Placed) -> None:
        """Starts it until it answers. Being killed on the way counts as a death and is repeated."""
        try:
            while (ended := await placed.start()) is not None:
                tail = await placed.logs(_READ_LINES)
                if self._watch is None and (ended.signal is None or ended.out_of_memory):
                    failure = self._adapter.explain_exit(self._model, ended, tail)
                    if not failure.retryable:
                        # It never answered and ended by itself: it would again.
                        raise BackendLost(failure, tail[-TAIL_LINES:])
                await self._count_death(ended, tail)
        except EnvironmentFailed as error:
            raise BackendLost(error.failure, error.log_tail) from error

    async def _count_death(self, ended: Exit, tail: tuple[str, ...], hung: str | None = None) -> None:
        delay = self._deaths.count()
        if delay is None:
            failure = self._adapter.explain_exit(self._model, ended, tail)
            if hung is not None:
                message = f"The backend of {self._model.name} ({self._adapter.name}) hangs: {hung}."
                failure = Failure(kind="backend_hung", message=message)
            message = f"Given up after {len(self._deaths)} deaths: {failure.message}"
            raise BackendLost(failure.model_copy(update={"message": message}), tail[-TAIL_LINES:])
        await asyncio.sleep(delay)

    def _served_s(self) -> float:
        """A clock that stands still while the backend is down, so that slow starts do not hide frequent deaths."""
        return (self._clock() if self._died_at is None else self._died_at) - self._down_s

    async def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if not self._over.is_set():
            # Nobody may wait for a restart that will not come.
            self._lose(BackendLost(Failure(kind="backend_stopped", message=f"{self._model.name} was stopped.")))
        if self._placed is None:
            return
        # Whoever is cancelled meanwhile must not leave it running.
        stopping = asyncio.ensure_future(self._placed.end())
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await stopping
            raise


async def _first(*waits: Any) -> None:
    """Returns when one of them does."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
