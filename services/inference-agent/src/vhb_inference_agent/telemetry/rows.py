"""From gauges to rows: what changed since the last look, split by run. Keeps counters, does no I/O."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from vhb_inference_agent.engine_metrics import EngineMetrics
from vhb_inference_agent.runner.in_flight import InFlight, Load, Owner
from vhb_inference_agent.telemetry.devices import DeviceReading
from vhb_shared.contracts.telemetry import TelemetrySample
from vhb_shared.environments.base import Stats

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Names:
    """Which session it is."""

    backend_id: str
    model: str
    agent_id: str
    replica: int
    session: str


@dataclass(frozen=True)
class Seen:
    """All gauges at one moment."""

    readings: tuple[DeviceReading, ...] = ()
    stats: Stats | None = None
    engine: EngineMetrics | None = None
    host: tuple[int, int] | None = None
    slots: int | None = None
    restarts: int = 0
    pressure: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Span:
    """What happened since the last look."""

    at: float
    seconds: float
    loads: Mapping[Owner, Load]
    peak_all: int
    energy_j: float | None
    cpu_s: float | None
    engine_tokens: float | None
    preemptions: float | None


class Rows:
    """Makes rows of one session.

    Args:
        names: of the session.
        devices: leased to it.
        in_flight: its requests.
        monotonic: a clock that only grows.
        wall: Unix seconds.
    """

    def __init__(
        self,
        names: Names,
        devices: int,
        in_flight: InFlight,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._names, self._devices, self._in_flight = names, devices, in_flight
        self._monotonic, self._wall = monotonic, wall
        self._last = monotonic()
        self._counters: dict[str, float] = {}
        self.idle_memory: int | None = None
        self.start_s: float | None = None

    def span(self, seen: Seen) -> Span:
        """Takes everything since the last call; counters that began anew (a restarted engine) say nothing once."""
        now = self._monotonic()
        seconds, self._last = now - self._last, now
        peak = self._in_flight.peak
        energies = [each.energy_j for each in seen.readings]
        known = [energy for energy in energies if energy is not None]
        complete = len(known) == self._devices > 0
        stats, engine = seen.stats, seen.engine
        return Span(
            at=self._wall(),
            seconds=seconds,
            loads=self._in_flight.take(),
            peak_all=peak,
            energy_j=self._grown("energy", sum(known) if complete else None),
            cpu_s=self._grown("cpu", stats.cpu_seconds if stats else None),
            engine_tokens=self._grown("tokens", engine.generation_tokens if engine else None),
            preemptions=self._grown("preemptions", engine.preemptions if engine else None),
        )

    def rows(self, seen: Seen, span: Span) -> dict[Owner, TelemetrySample]:
        """One row for every run with requests in flight in the span."""
        readings, stats, engine, host = seen.readings, seen.stats, seen.engine, seen.host
        everything = sum(load.request_s for load in span.loads.values())
        names = " + ".join(dict.fromkeys(each.name for each in readings if each.name))
        throttled = ", ".join(sorted({word for each in readings for word in each.throttled}))
        return {
            owner: TelemetrySample(
                at=span.at,
                seconds=span.seconds,
                session=self._names.session,
                agent_id=self._names.agent_id,
                replica=self._names.replica,
                request_s=load.request_s,
                request_s_all=everything,
                in_flight_peak=load.peak,
                in_flight_peak_all=span.peak_all,
                finished=load.finished,
                slots=seen.slots,
                devices=self._devices,
                device_names=names or None,
                device_memory_idle=self.idle_memory,
                device_memory_used=total_of(each.memory_used for each in readings),
                device_memory_total=total_of(each.memory_total for each in readings),
                device_memory_highest=max((each.memory_used for each in readings if each.memory_used), default=None),
                device_use=mean_of(each.use for each in readings),
                power_w=total_of(each.power_w for each in readings),
                energy_j=span.energy_j,
                temperature_c=max((each.temperature_c for each in readings if each.temperature_c), default=None),
                throttled=throttled or None,
                memory=stats.memory_bytes if stats else None,
                cpu_s=span.cpu_s,
                processes=stats.processes if stats else None,
                host_memory_used=host[0] if host else None,
                host_memory_total=host[1] if host else None,
                engine_running=engine.running if engine else None,
                engine_waiting=engine.waiting if engine else None,
                engine_cache=engine.cache_usage if engine else None,
                engine_tokens=span.engine_tokens,
                engine_preemptions=span.preemptions,
                start_s=self.start_s,
                restarts=seen.restarts,
                pressure=", ".join(sorted(seen.pressure)) or None,
            )
            for owner, load in span.loads.items()
        }

    def _grown(self, name: str, value: float | None) -> float | None:
        before = self._counters.get(name)
        if value is None:
            return None
        self._counters[name] = value
        return value - before if before is not None and value >= before else None


def total_of(values: Iterable[N | None]) -> N | None:
    """The sum; None where one is not known: half a sum would look like a whole one."""
    known = list(values)
    present = [value for value in known if value is not None]
    return sum(present) if present and len(present) == len(known) else None


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of those known; None without any."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
