"""The program of one backend in its environment: prepared, started, awaited, written down, ended."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog

from vhb_inference_agent.endpoint import Endpoint
from vhb_inference_agent.leftovers import Leftovers
from vhb_inference_agent.readiness import Readiness
from vhb_shared.environments.base import (
    Environment,
    EnvironmentFailed,
    EnvironmentHandle,
    EnvironmentSpec,
    Exit,
    Stats,
)

log = structlog.get_logger(__name__)

_STOP_TRIES = 8
_STOP_PAUSE_S = 0.5


class Keep(Protocol):
    """Writes down what runs, so that the agent's next life finds it."""

    async def save(self, handle: EnvironmentHandle, spec: EnvironmentSpec, manifest: Mapping[str, Any]) -> None:
        """It runs, or is known better. Raises nothing: without it the backend ends with the agent, that is all."""
        ...

    async def drop(self, handle: EnvironmentHandle | None = None) -> None:
        """It is gone: what was last written down, or only if that was this one. Raises nothing."""
        ...


class Listener(Protocol):
    """Listens to what runs."""

    def prepares(self, line: str) -> None:
        """Its place is made ready; a line for people. Raises nothing."""
        ...

    def attach(self, environment: Environment, handle: EnvironmentHandle) -> None:
        """It runs. Raises nothing."""
        ...

    async def detach(self) -> None:
        """It is about to be ended: its output goes with it. Raises nothing."""
        ...


@dataclass(frozen=True)
class Adopted:
    """What a former life of the agent started and this one recovered."""

    spec: EnvironmentSpec
    handle: EnvironmentHandle
    manifest: Mapping[str, Any]
    """Empty when it never answered."""


class Placed:
    """What runs for one backend, at most one program at a time.

    Args:
        environment: where.
        readiness: says when it answers, and where; knows what is to run.
        stop_grace_s: between asking it to end and ending it.
        keep: writes down what runs.
        leftovers: takes what cannot be ended when it is time.
        listener: hears what runs.
    """

    def __init__(
        self,
        environment: Environment,
        readiness: Readiness,
        *,
        stop_grace_s: float = 3.0,
        keep: Keep | None = None,
        leftovers: Leftovers | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.environment = environment
        self.spec = readiness.spec
        self.handle: EnvironmentHandle | None = None
        self.endpoint: Endpoint | None = None
        """Where it last answered."""
        self.manifest: dict[str, Any] = {}
        """Empty until somebody has described it."""
        self._readiness = readiness
        self._stop_grace_s = stop_grace_s
        self._keep = keep
        self._leftovers = leftovers
        self._listener = listener

    async def start(self) -> Exit | None:
        """Starts it; None when it answers, else how it ended.

        Raises:
            BackendLost: see `Readiness.wait`.
            EnvironmentFailed: it cannot be prepared or started, or what ran before it cannot be ended.
        """
        # What is started again later is what was prepared first, whatever a tag means by then.
        self.spec = await self.environment.prepare(self.spec, self._prepares)
        await self.stop()
        self.handle = await self.environment.start(self.spec)
        self._listen(self.handle)
        await self.write_down()
        return await self._until_ready(self.handle)

    async def adopt(self, adopted: Adopted) -> Exit | None:
        """Takes over what runs; None when it answers, else how it ended. Raises as `start` does."""
        self.handle, self.manifest = adopted.handle, dict(adopted.manifest)
        self._listen(adopted.handle)
        return await self._until_ready(adopted.handle)

    async def until_dead(self, hung: "asyncio.Future[str]") -> tuple[Exit, str | None]:
        """How it ended, and why it is taken to hang where it did not end by itself."""
        assert self.handle is not None
        exiting = asyncio.ensure_future(self.environment.wait_exit(self.handle))
        try:
            waits: list[asyncio.Future[Any]] = [exiting, hung]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return (exiting.result(), None) if exiting.done() else (Exit(), hung.result())
        finally:
            exiting.cancel()
            hung.cancel()

    async def logs(self, lines: int) -> tuple[str, ...]:
        """The last lines of its output."""
        return () if self.handle is None else await self.environment.logs(self.handle, lines)

    async def stats(self) -> Stats | None:
        """What it uses now; None while nothing runs."""
        return None if self.handle is None else await self.environment.stats(self.handle)

    async def write_down(self) -> None:
        """Keeps what is known of it now."""
        if self._keep is not None and self.handle is not None:
            await self._keep.save(self.handle, self.spec, self.manifest)

    async def stop(self) -> None:
        """Its place is free when this returns. A place that is out of reach is asked again: devices must not be given
        to others while it may still use them.

        Raises:
            EnvironmentFailed: it stayed out of reach.
        """
        if self.handle is None:
            return
        if self._listener is not None:
            await self._listener.detach()
        for tried in range(_STOP_TRIES):
            try:
                await self.environment.stop(self.handle, self._stop_grace_s)
                break
            except EnvironmentFailed:
                if tried == _STOP_TRIES - 1:
                    raise
                await asyncio.sleep(_STOP_PAUSE_S * 2**tried)
        self.handle = None

    async def end(self) -> None:
        """Stops it for good. Raises nothing."""
        try:
            await self.stop()
        except EnvironmentFailed as error:
            # What was written down stays until it is gone: else the next life of the agent ends it.
            log.warning("backend_not_ended", name=self.spec.name, reason=str(error))
            if self._leftovers is not None and self.handle is not None:
                self._leftovers.take(self.environment, self.handle, partial(self._forget, self.handle))
            return
        await self._forget(None)

    def _prepares(self, line: str) -> None:
        self._readiness.progress(line)
        if self._listener is not None:
            self._listener.prepares(line)

    def _listen(self, handle: EnvironmentHandle) -> None:
        if self._listener is not None:
            self._listener.attach(self.environment, handle)

    async def _forget(self, handle: EnvironmentHandle | None) -> None:
        if self._keep is not None:
            await self._keep.drop(handle)

    async def _until_ready(self, handle: EnvironmentHandle) -> Exit | None:
        reached = await self._readiness.wait(self.environment, handle)
        if isinstance(reached, Exit):
            return reached
        self.endpoint = reached
        return None
