"""Measures one backend session from before its engine starts to its end, and watches over it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog

from vhb_inference_agent.runner.in_flight import InFlight, Load, Owner
from vhb_inference_agent.telemetry.gauges import Devices, Gauges, Observed
from vhb_inference_agent.telemetry.pressure import MemoryPressure
from vhb_inference_agent.telemetry.rows import Names, Rows, Seen, Span, total_of
from vhb_inference_agent.telemetry.segments import Segments
from vhb_inference_agent.telemetry.watchdog import Watchdog
from vhb_shared.contracts.live import BackendTelemetry, Live, Notice
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

WRITE_EVERY_S = 15.0
"""So much of it a kill -9 may cost."""
LIVE_EVERY_S = 2.0
RELIEF_EVERY_S = 10.0
WRITE_PATIENCE_S = 5.0
"""A completed shard waits no longer for its telemetry."""


class Measured(Protocol):
    """What asks the backend, as telemetry sees it; `ShardRunner`."""

    @property
    def in_flight(self) -> InFlight:
        """What is being asked."""
        ...

    @property
    def slots(self) -> int:
        """Requests in flight allowed now."""
        ...

    def relieve(self) -> bool:
        """Allows fewer from now on; False when that was not possible."""
        ...


@dataclass(frozen=True)
class TelemetryOptions:
    """How closely a session is looked at."""

    every_s: float = 1.0
    hang_after_s: float = 20.0
    """0: backends are never taken to hang."""
    request_limit_s: float = 300.0


class SessionTelemetry:
    """`async with` it before the backend is opened; `serve` when it answers.

    Args:
        names: of the session.
        devices: UUIDs of the leased devices.
        reader: reads devices.
        store: where samples go.
        emit: publishes a live message.
        options: how closely to look.
    """

    def __init__(
        self,
        names: Names,
        devices: tuple[str, ...],
        reader: Devices,
        store: ObjectStore,
        emit: Callable[[Live], Awaitable[None]],
        options: TelemetryOptions,
    ) -> None:
        self._names, self._uuids, self._store, self._emit, self._options = names, devices, store, emit, options
        self._devices = reader
        self._made = 0
        self._idle_memory: int | None = None
        self._began = time.monotonic()
        self._found_running = False
        self._segments: dict[str, Segments] = {}
        self._jobs: dict[str, float] = {}
        self._gauges: Gauges | None = None
        self._rows: Rows | None = None
        self._runner: Measured | None = None
        self._backend: Observed | None = None
        self._pressure = MemoryPressure()
        self._looking = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._live_since = time.monotonic()
        self._live_finished, self._live_tokens = 0, 0.0
        self._relieve_at = float("-inf")

    async def before_start(self, *, running: bool = False) -> None:
        """Notes what is in use before the engine starts.

        Args:
            running: the engine runs already (it was found running): what was in use before is not known.
        """
        self._began, self._found_running = time.monotonic(), running
        readings = None if running else await self._devices.read(self._uuids)
        self._idle_memory = total_of(each.memory_used for each in readings or ())

    def serve(self, backend: Observed, runner: Measured) -> Self:
        """What is measured from now on, as `async with`."""
        self._backend, self._runner = backend, runner
        self._gauges = Gauges(backend, self._devices, self._uuids, self._options.every_s)
        self._rows = Rows(self._names, len(self._uuids), runner.in_flight)
        self._rows.idle_memory = self._idle_memory
        self._rows.start_s = None if self._found_running else time.monotonic() - self._began
        return self

    async def __aenter__(self) -> Self:
        assert self._gauges is not None and self._backend is not None and self._runner is not None
        limits = self._options.hang_after_s, self._options.request_limit_s
        watchdog = Watchdog(self._backend, self._runner.in_flight, self._gauges, *limits, self.tell)
        # Counters have a beginning before the first request is sent.
        await self._gauges.read_once()
        await self._look()
        loops = [self._gauges.run, self._look_always, self._write_always, watchdog.run]
        self._tasks = [asyncio.create_task(loop()) for loop in loops]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_PATIENCE_S):
                await self.write()

    async def written(self) -> None:
        """Returns when all up to now is stored, or storage makes no haste: before a shard is announced, so that who
        evaluates its run finds it."""
        assert self._gauges is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_PATIENCE_S):
                await self._look()
                await self.write()

    async def write(self) -> None:
        """Stores what is not stored yet."""
        for run_id, segments in list(self._segments.items()):
            written = await segments.write()
            if written and segments.quiet_s > _QUIET_S:
                self._segments.pop(run_id, None)  # a warm backend serves hundreds of runs, one after the other

    async def tell(self, level: str, message: str) -> None:
        """A notice to every job that is served."""
        log.warning(message, model=self._names.model) if level == "warning" else log.info(
            message, model=self._names.model
        )
        for job_id in self._jobs:
            await self._publish(
                Notice.model_validate(
                    {"job_id": job_id, "level": level, "source": self._names.model, "message": message[:500]}
                )
            )

    async def _look_always(self) -> None:
        while True:
            await asyncio.sleep(self._options.every_s)
            try:
                span, seen = await self._look()
                await self._say_live(span, seen)
                await self._relieve()
            except Exception as error:  # measuring must not end the session, nor itself
                log.warning("telemetry_failed", error=repr(error))

    async def _look(self) -> tuple[Span, Seen]:
        assert self._gauges is not None and self._rows is not None
        assert self._backend is not None and self._runner is not None
        async with self._looking:
            await self._gauges.read_devices()
            await self._feel_pressure(self._gauges, self._backend)
            seen = Seen(
                readings=self._gauges.readings,
                stats=self._gauges.stats,
                engine=self._gauges.engine,
                host=self._gauges.host,
                slots=self._runner.slots,
                restarts=self._backend.restarts,
                pressure=self._pressure.high,
            )
            span = self._rows.span(seen)
            for owner, row in self._rows.rows(seen, span).items():
                self._segments_of(owner.run_id).add(row)
            self._live_finished += sum(load.finished for load in span.loads.values())
            self._live_tokens += span.engine_tokens or 0
            self._remember(span.loads)
            return span, seen

    def _segments_of(self, run_id: str) -> Segments:
        if run_id not in self._segments:
            self._made += 1
            names = self._names
            name = f"{names.backend_id}.{names.replica}.{names.session}-{self._made:05d}"
            self._segments[run_id] = Segments(self._store, run_id, name)
        return self._segments[run_id]

    def _remember(self, loads: Mapping[Owner, Load]) -> None:
        now = time.monotonic()
        self._jobs |= {owner.job_id: now for owner in loads}
        self._jobs = {job_id: at for job_id, at in self._jobs.items() if now - at < _JOB_S}

    async def _feel_pressure(self, gauges: Gauges, backend: Observed) -> None:
        stats, limit = gauges.stats, backend.memory_limit
        fresh = self._pressure.look(
            host=gauges.host if backend.up is not None else None,
            backend=(stats.memory_bytes, limit) if stats and limit else None,
            devices=gauges.readings,
        )
        if fresh:
            what = " and ".join(_WHAT[each] for each in sorted(fresh))
            await self.tell("info", f"{self._names.model}: {what} nearly used up")

    async def _relieve(self) -> None:
        """Fewer requests at once while memory of the host or of the backend is nearly used up. Not for a device: what
        an engine takes of it at its start does not shrink."""
        if not self._pressure.high & {"host", "backend"} or time.monotonic() < self._relieve_at:
            return
        self._relieve_at = time.monotonic() + RELIEF_EVERY_S
        assert self._runner is not None
        if self._runner.in_flight.now and self._runner.relieve():
            await self.tell("info", f"fewer requests at once ({self._runner.slots}): memory is nearly used up")

    async def _say_live(self, span: Span, seen: Seen) -> None:
        seconds = time.monotonic() - self._live_since
        if seconds < LIVE_EVERY_S:
            return
        readings, engine = seen.readings, seen.engine
        finished, tokens = self._live_finished, self._live_tokens
        self._live_since, self._live_finished, self._live_tokens = time.monotonic(), 0, 0.0
        uses = [each.use for each in readings if each.use is not None]
        for job_id in self._jobs:
            await self._publish(
                BackendTelemetry(
                    job_id=job_id,
                    backend_id=self._names.backend_id,
                    model=self._names.model,
                    agent_id=self._names.agent_id,
                    replica=self._names.replica,
                    session=self._names.session,
                    in_flight=span.peak_all,
                    slots=seen.slots,
                    requests_per_s=round(finished / seconds, 3),
                    tokens_per_s=round(tokens / seconds, 1) if span.engine_tokens is not None else None,
                    devices=len(self._uuids),
                    device_memory_used=total_of(each.memory_used for each in readings),
                    device_memory_total=total_of(each.memory_total for each in readings),
                    device_use=round(sum(uses) / len(uses), 3) if uses else None,
                    power_w=total_of(each.power_w for each in readings),
                    memory=seen.stats.memory_bytes if seen.stats else None,
                    engine_running=engine.running if engine else None,
                    engine_waiting=engine.waiting if engine else None,
                    engine_cache=engine.cache_usage if engine else None,
                    pressure=", ".join(sorted(seen.pressure)) or None,
                )
            )

    async def _publish(self, message: Live) -> None:
        try:
            await self._emit(message)
        except Exception as error:  # whatever the bus has against it: live messages may be lost
            log.debug("live message dropped", error=repr(error))

    async def _write_always(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()


_QUIET_S = 60.0
"""A run without rows for so long is not held any more."""
_JOB_S = 30.0
"""A job without requests in flight for so long is told nothing more."""
_WHAT = {"host": "the host's memory is", "backend": "its memory limit is", "device": "device memory is"}
