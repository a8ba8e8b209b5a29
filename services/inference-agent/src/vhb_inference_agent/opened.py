"""A backend from start to stop: prepared, started, awaited, restarted when it dies, given up after too many deaths."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from vhb_inference_agent.backends.base import BackendAdapter
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_inference_agent.environments.base import (
    Environment,
    EnvironmentFailed,
    EnvironmentHandle,
    EnvironmentSpec,
    Exit,
    Progress,
)
from vhb_inference_agent.manifest import describe
from vhb_inference_agent.restarts import Deaths, RestartPolicy
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry

_FIRST_PAUSE_S = 0.03
_LONGEST_PAUSE_S = 0.5
_TAIL_LINES = 30
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
        environ: Mapping[str, str] | None = None,
        policy: RestartPolicy | None = None,
        stop_grace_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._adapter, self._model, self._environment = adapter, model, environment
        self._replica, self._labels = replica, dict(labels or {})
        self._progress: Progress = on_progress or (lambda _: None)
        self._environ = os.environ if environ is None else environ
        self._deaths = Deaths(policy or RestartPolicy(), self._served_s)
        self._stop_grace_s, self._clock = stop_grace_s, clock
        self._died_at: float | None = None
        self._down_s = 0.0
        self._spec: EnvironmentSpec | None = None
        self._handle: EnvironmentHandle | None = None
        self._endpoint: Endpoint | None = None
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
        assert self._endpoint is not None, "not entered"
        return self._endpoint

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
        return self._handle

    async def __aenter__(self) -> Self:
        try:
            self._spec = self._adapter.launch(self._model)
            if self._spec is None:
                self._endpoint = self._adapter.endpoint(self._model, None, self._environ)
                await self._adapter.check_ready(self._model, self._endpoint)
            else:
                self._spec = self._spec.model_copy(update={"labels": {**self._spec.labels, **self._labels}})
                await self._bring_up()
                self._up.set()
                self._watch = asyncio.create_task(self._keep_up(), name=f"watch {self._model.name}")
            self._manifest = await describe(self._adapter, self._model, self._environment, self._spec)
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
                await asyncio.wait_for(self._dead.wait(), _NOTICE_S)
            except TimeoutError:
                return False
        await _first(self._up.wait(), self._over.wait())
        if self._lost is not None:
            raise self._lost
        return True

    async def wait_lost(self) -> BackendLost:
        """Returns when the backend is lost for good: why. For who holds it without asking anything just now."""
        await self._over.wait()
        assert self._lost is not None
        return self._lost

    def manifest(self) -> dict[str, Any]:
        """What environment.json says of it: what was really installed and run. Holds no key."""
        return {**self._manifest, "restarts": self._restarts}

    async def logs(self, lines: int = _TAIL_LINES) -> tuple[str, ...]:
        """The last lines of its output; empty for an existing server."""
        if self._environment is None or self._handle is None:
            return ()
        return await self._environment.logs(self._handle, lines)

    async def _keep_up(self) -> None:
        """Waits for its death and brings it back, until it is lost."""
        assert self._environment is not None
        try:
            while True:
                assert self._handle is not None
                ended = await self._environment.wait_exit(self._handle)
                self._died_at = self._clock()
                self._dead.set()
                self._up.clear()
                tail = await self.logs(_READ_LINES)
                self._progress(f"the backend of {self._model.name} {ended.words}; starting it again")
                await self._count_death(ended, tail)
                await self._bring_up()
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

    async def _bring_up(self) -> None:
        """Prepares, starts, waits until it answers. Being killed on the way counts as a death and is repeated."""
        assert self._spec is not None
        environment = self._place()
        try:
            while True:
                # What is started again later is what was prepared first, whatever a tag means by then.
                self._spec = await environment.prepare(self._spec, self._progress)
                await self._stop()
                self._handle = await environment.start(self._spec)
                ended = await self._until_ready(environment, self._handle)
                if ended is None:
                    return
                tail = await self.logs(_READ_LINES)
                if self._watch is None and (ended.signal is None or ended.out_of_memory):
                    failure = self._adapter.explain_exit(self._model, ended, tail)
                    if not failure.retryable:
                        # It never answered and ended by itself: it would again.
                        raise BackendLost(failure, tail[-_TAIL_LINES:])
                await self._count_death(ended, tail)
        except EnvironmentFailed as error:
            raise BackendLost(error.failure, error.log_tail) from error

    async def _until_ready(self, environment: Environment, handle: EnvironmentHandle) -> Exit | None:
        """None when it answers, else how it ended. Shows the engine's own words as progress."""
        assert self._spec is not None
        deadline = self._clock() + self._spec.ready_timeout_s
        pause, shown = _FIRST_PAUSE_S, ""
        while True:
            if (ended := await environment.exit_state(handle)) is not None:
                return ended
            if (address := await environment.address(handle)) is not None:
                endpoint = self._adapter.endpoint(self._model, address, self._environ)
                if await self._adapter.check_ready(self._model, endpoint):
                    self._endpoint = endpoint
                    return None
            tail = await environment.logs(handle, _TAIL_LINES)
            if tail and tail[-1] != shown:
                shown = tail[-1]
                self._progress(shown)
            if self._clock() > deadline:
                message = (
                    f"The backend of {self._model.name} ({self._adapter.name}) did not answer within "
                    f"{self._spec.ready_timeout_s:g} s{f'; its last words: {shown}' if shown else ''}."
                )
                raise BackendLost(Failure(kind="backend_not_ready", message=message), tail)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(environment.wait_exit(handle), pause)
            pause = min(_LONGEST_PAUSE_S, pause * 1.5)

    async def _count_death(self, ended: Exit, tail: tuple[str, ...]) -> None:
        delay = self._deaths.count()
        if delay is None:
            failure = self._adapter.explain_exit(self._model, ended, tail)
            message = f"Given up after {len(self._deaths)} deaths: {failure.message}"
            raise BackendLost(failure.model_copy(update={"message": message}), tail[-_TAIL_LINES:])
        await asyncio.sleep(delay)

    def _served_s(self) -> float:
        """A clock that stands still while the backend is down, so that slow starts do not hide frequent deaths."""
        return (self._clock() if self._died_at is None else self._died_at) - self._down_s

    def _place(self) -> Environment:
        if self._environment is None:
            message = f"The backend of {self._model.name} ({self._adapter.name}) needs an environment on this agent."
            raise BackendLost(Failure(kind="environment_failed", message=message))
        return self._environment

    async def _stop(self) -> None:
        if self._environment is not None and self._handle is not None:
            await self._environment.stop(self._handle, self._stop_grace_s)
            self._handle = None

    async def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if not self._over.is_set():
            # Nobody may wait for a restart that will not come.
            self._lose(BackendLost(Failure(kind="backend_stopped", message=f"{self._model.name} was stopped.")))
        # Whoever is cancelled meanwhile must not leave it running.
        stopping = asyncio.ensure_future(self._stop())
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
