"""The latest reading of everything that a session can look at, each source in its own time."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import psutil
import structlog

from vhb_inference_agent.backends.probe import NoReply
from vhb_inference_agent.endpoint import Endpoint
from vhb_inference_agent.engine_metrics import EngineMetrics, read_metrics
from vhb_inference_agent.telemetry.devices import DeviceReader, DeviceReading
from vhb_shared.environments.base import Stats

log = structlog.get_logger(__name__)

STATS_EVERY_S = 2.0
"""A container engine takes a second to answer this."""
OUTDATED_S = 10.0
"""A reading older than this says nothing about now."""
_SLOW_S = 5.0
_FIRST_S = 2.0
"""What the first reading may delay a session."""


class Observed(Protocol):
    """A backend as telemetry and the watchdog see it; `OpenedBackend`."""

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def restarts(self) -> int: ...

    @property
    def memory_limit(self) -> int | None:
        """Bytes its environment allows it."""
        ...

    @property
    def up(self) -> bool | None:
        """Whether it runs now; None for what is not ours to restart."""
        ...

    async def stats(self) -> Stats | None: ...

    async def answers(self) -> bool: ...

    def declare_hung(self, reason: str) -> None: ...


class Devices:
    """Reads devices for all sessions of an agent, in a thread of their own: a driver that hangs holds up nobody."""

    def __init__(self, reader: DeviceReader) -> None:
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="devices")
        self._late: asyncio.Future[tuple[DeviceReading, ...]] | None = None

    async def read(self, uuids: Sequence[str]) -> tuple[DeviceReading, ...] | None:
        """Readings; None while the driver does not answer."""
        if not uuids:
            return ()
        if self._late is not None and not self._late.done():
            return None
        reading = asyncio.get_running_loop().run_in_executor(self._thread, self._reader.read, tuple(uuids))
        try:
            async with asyncio.timeout(_SLOW_S):
                return await asyncio.shield(reading)
        except TimeoutError:
            self._late = reading
            return None


class Gauges:
    """Keeps the latest readings while its tasks run.

    Args:
        backend: what is looked at.
        devices: reads accelerators.
        uuids: those leased to the session.
        every_s: how often devices and the engine are asked.
    """

    def __init__(self, backend: Observed, devices: Devices, uuids: Sequence[str], every_s: float) -> None:
        self._backend, self._devices, self._uuids, self._every_s = backend, devices, tuple(uuids), every_s
        self._at: dict[str, float] = {}
        self._readings: tuple[DeviceReading, ...] = ()
        self._stats: Stats | None = None
        self._engine: EngineMetrics | None = None
        self._host: tuple[int, int] | None = None
        self.offers_metrics = True
        """False once the engine has said that it has none."""

    async def run(self) -> None:
        """Reads the backend and its engine until cancelled. Devices are read by whoever looks, when it looks: their
        counters then end where the span ends."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._always(self._read_stats, max(STATS_EVERY_S, self._every_s)))
            group.create_task(self._always(self._read_engine, self._every_s))

    async def read_once(self) -> None:
        """Reads the backend and its engine now; what does not answer is left for later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                reads = (self._read_stats(), self._read_engine())
                await asyncio.gather(*reads, return_exceptions=True)

    @property
    def readings(self) -> tuple[DeviceReading, ...]:
        """Of the leased devices; empty where none can be read."""
        return self._readings if self._fresh("devices") else ()

    @property
    def stats(self) -> Stats | None:
        """What the backend's processes use."""
        return self._stats if self._fresh("stats") else None

    @property
    def stats_at(self) -> float:
        """When `stats` was read (monotonic seconds)."""
        return self._at.get("stats", float("-inf"))

    @property
    def engine(self) -> EngineMetrics | None:
        """What the engine says of itself."""
        return self._engine if self._fresh("engine") else None

    @property
    def host(self) -> tuple[int, int] | None:
        """Memory of the host in bytes: used (what could not be had), total."""
        return self._host

    async def read_devices(self) -> None:
        """Reads the devices now."""
        if not self._uuids:
            return
        readings = await self._devices.read(self._uuids)
        if readings is not None:
            self._note("devices")
            self._readings = readings

    async def _read_stats(self) -> None:
        host = await asyncio.to_thread(psutil.virtual_memory)
        self._host = (host.total - host.available, host.total)
        if self._backend.up:
            async with asyncio.timeout(_SLOW_S):  # not wait_for: it can swallow the session's end (Python 3.11)
                stats = await self._backend.stats()
            if stats is not None and stats.processes:
                self._note("stats")
                self._stats = stats

    async def _read_engine(self) -> None:
        if not self.offers_metrics:
            return
        try:
            engine = await read_metrics(self._backend.endpoint.base_url)
        except NoReply:
            return
        if engine is None:
            self.offers_metrics = self._engine is not None  # one that has spoken may be starting again
            return
        self._note("engine")
        self._engine = engine

    def _note(self, what: str) -> None:
        self._at[what] = time.monotonic()

    def _fresh(self, what: str) -> bool:
        return time.monotonic() - self._at.get(what, float("-inf")) < OUTDATED_S

    async def _always(self, read: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            try:
                await read()
            except Exception as error:  # a gauge that fails must not end the session
                log.debug("gauge_failed", error=repr(error))
            await asyncio.sleep(every_s)
