"""A session measured with stand-ins for devices and backend: what is stored, what is said, what is done."""

import asyncio
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_inference_agent.endpoint import Endpoint
from vhb_inference_agent.runner.in_flight import InFlight, Owner
from vhb_inference_agent.telemetry import session as session_module
from vhb_inference_agent.telemetry.devices import DeviceReading
from vhb_inference_agent.telemetry.gauges import Devices
from vhb_inference_agent.telemetry.rows import Names
from vhb_inference_agent.telemetry.segments import SEGMENT_ROWS, TELEMETRY_SCHEMA, Segments
from vhb_inference_agent.telemetry.session import SessionTelemetry, TelemetryOptions
from vhb_shared.contracts.live import BackendTelemetry, Live, Notice
from vhb_shared.contracts.telemetry import TELEMETRY_COLUMNS, TelemetrySample
from vhb_shared.environments.base import Stats
from vhb_shared.errors import Unavailable
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore

ONE, OTHER = Owner("job", "one"), Owner("job", "other")
GIB = 1 << 30


class StandInDevices:
    """Devices whose memory, use and energy a test sets."""

    def __init__(self) -> None:
        self.memory = 1 * GIB
        self.energy_j = 1000.0
        self.use: float | None = 0.5
        self.absent = False
        self.looks = 0

    def read(self, uuids: Sequence[str]) -> tuple[DeviceReading, ...]:
        self.looks += 1
        if self.absent:
            return ()
        return tuple(
            DeviceReading(
                uuid=uuid, name="GPU A", memory_used=self.memory, memory_total=24 * GIB, use=self.use,
                energy_j=self.energy_j, power_w=100.0, temperature_c=50.0,
            )
            for uuid in uuids
        )  # fmt: skip


class StandInBackend:
    """A backend without an address that answers; what its processes use is set by a test."""

    def __init__(self) -> None:
        self.endpoint = Endpoint("http://127.0.0.1:9/v1", "m")
        self.restarts = 0
        self.memory_limit: int | None = None
        self.up: bool | None = True
        self.used = Stats(memory_bytes=GIB, cpu_seconds=5.0, processes=2)
        self.healthy = True
        self.hung: list[str] = []

    async def stats(self) -> Stats:
        return self.used

    async def answers(self) -> bool:
        return self.healthy

    def declare_hung(self, reason: str) -> None:
        self.hung.append(reason)
        self.restarts += 1
        self.healthy = True


class StandInRunner:
    def __init__(self) -> None:
        self.in_flight = InFlight()
        self.slots = 8

    def relieve(self) -> bool:
        self.slots = max(1, self.slots // 2)
        return self.slots > 1


class Bench:
    def __init__(self, folder: Path) -> None:
        self.store = DirectoryStore(folder / "store", durable=False)
        self.devices, self.backend, self.runner = StandInDevices(), StandInBackend(), StandInRunner()
        self.live: list[Live] = []

    async def _emit(self, message: Live) -> None:
        self.live.append(message)

    def telemetry(self, uuids: tuple[str, ...] = ("GPU-a", "GPU-b"), **options: Any) -> SessionTelemetry:
        names = Names("backend", "model", "agent", 1, "5e5510n0")
        limits = TelemetryOptions(**({"every_s": 0.05, "hang_after_s": 0.0} | options))
        return SessionTelemetry(names, uuids, Devices(self.devices), self.store, self._emit, limits)

    async def rows(self, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async for info in self.store.list(layout.telemetry_prefix(run_id)):
            found += pl.read_parquet(io.BytesIO(await self.store.get(info.key))).to_dicts()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


async def test_what_a_run_costs_is_stored_before_its_shard_is_announced(bench: Bench) -> None:
    telemetry = bench.telemetry()
    await telemetry.before_start()
    bench.devices.memory = 9 * GIB
    async with telemetry.serve(bench.backend, bench.runner):
        with bench.runner.in_flight.request(ONE):
            await asyncio.sleep(0.2)
            bench.devices.energy_j += 50
            bench.devices.memory = 20 * GIB
            looks = bench.devices.looks
            await until(lambda: bench.devices.looks > looks + 2)
        await telemetry.written()
        rows = await bench.rows("one")
        assert sum(row["finished"] for row in rows) == 1
        assert sum(row["energy_j"] for row in rows) == pytest.approx(100)  # 50 J on each of two devices
        assert max(row["device_memory_used"] for row in rows) == 40 * GIB
        last = rows[-1]
        assert (last["device_memory_idle"], last["device_memory_highest"]) == (2 * GIB, 20 * GIB)
        assert (last["devices"], last["device_names"], last["device_use"], last["power_w"]) == (2, "GPU A", 0.5, 200)
        assert (last["memory"], last["processes"], last["slots"]) == (GIB, 2, 8)
        assert last["start_s"] is not None and last["engine_waiting"] is None
        assert sum(row["request_s"] for row in rows) == pytest.approx(sum(row["request_s_all"] for row in rows))
        assert {row["session"] for row in rows} == {"5e5510n0"}


async def test_two_runs_share_what_their_session_used(bench: Bench) -> None:
    telemetry = bench.telemetry()
    await telemetry.before_start()
    async with telemetry.serve(bench.backend, bench.runner):
        asked = bench.runner.in_flight.request
        with asked(ONE), asked(ONE), asked(OTHER):
            await asyncio.sleep(0.15)
        await telemetry.written()
    one, other = await bench.rows("one"), await bench.rows("other")
    shares = [
        sum(row["request_s"] for row in rows) / sum(row["request_s_all"] for row in rows) for rows in (one, other)
    ]
    assert shares == [pytest.approx(2 / 3, abs=0.01), pytest.approx(1 / 3, abs=0.01)]


async def test_without_devices_or_energy_there_are_nulls(bench: Bench) -> None:
    bench.devices.absent = True
    telemetry = bench.telemetry(("declared",))
    await telemetry.before_start()
    async with telemetry.serve(bench.backend, bench.runner):
        with bench.runner.in_flight.request(ONE):
            await asyncio.sleep(0.1)
        await telemetry.written()
    for row in await bench.rows("one"):
        named = [name for name in TELEMETRY_COLUMNS if name.startswith("device_")]
        assert {row[name] for name in (*named, "energy_j", "power_w", "temperature_c")} == {None}
        assert row["devices"] == 1


async def test_an_engine_found_running_has_no_idle_memory_and_no_start(bench: Bench) -> None:
    telemetry = bench.telemetry()
    await telemetry.before_start(running=True)
    async with telemetry.serve(bench.backend, bench.runner):
        with bench.runner.in_flight.request(ONE):
            await asyncio.sleep(0.1)
        await telemetry.written()
    (row, *_) = await bench.rows("one")
    assert (row["device_memory_idle"], row["start_s"]) == (None, None)


async def test_who_watches_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "LIVE_EVERY_S", 0.1)
    bench.backend.memory_limit = GIB + 1
    telemetry = bench.telemetry()
    await telemetry.before_start()
    async with telemetry.serve(bench.backend, bench.runner):
        with bench.runner.in_flight.request(ONE):
            await until(lambda: any(isinstance(each, BackendTelemetry) for each in bench.live))
        said = next(each for each in bench.live if isinstance(each, BackendTelemetry))
        assert (said.job_id, said.model, said.replica, said.in_flight) == ("job", "model", 1, 1)
        assert said.slots in (8, 4)
        assert (said.device_memory_used, said.device_use, said.pressure) == (2 * GIB, 0.5, "backend")
        await until(lambda: bench.runner.slots == 4)
        await telemetry.written()
    assert {row["pressure"] for row in await bench.rows("one")} == {"backend"}


async def test_a_frozen_backend_is_declared_hung_and_a_slow_one_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_inference_agent.telemetry.watchdog.LOOK_EVERY_S", 0.05)
    monkeypatch.setattr("vhb_inference_agent.telemetry.gauges.STATS_EVERY_S", 0.05)
    bench.devices.use = 0.0
    telemetry = bench.telemetry(hang_after_s=0.4)
    await telemetry.before_start()
    async with telemetry.serve(bench.backend, bench.runner):
        with bench.runner.in_flight.request(ONE):
            await asyncio.sleep(1.0)
            assert bench.backend.hung == [], "it answers its health check"
            bench.devices.use = 1.0
            looks = bench.devices.looks
            await until(lambda: bench.devices.looks > looks + 10)
            bench.backend.healthy = False
            await asyncio.sleep(1.0)
            assert bench.backend.hung == [], "its device computes"
        bench.runner.in_flight.longest_silence_s = 0.0
        bench.devices.use = 0.0
        with bench.runner.in_flight.request(ONE):
            await until(lambda: bool(bench.backend.hung))
    assert len(bench.backend.hung) == 1
    notices = [each.message for each in bench.live if isinstance(each, Notice)]
    assert any("it hangs and is started again: no sign of life" in message for message in notices)


def sample(at: float) -> TelemetrySample:
    return TelemetrySample(
        at=at, seconds=1, session="s", agent_id="a", replica=0, request_s=1, request_s_all=1, in_flight_peak=1,
        in_flight_peak_all=1, finished=1, devices=0,
    )  # fmt: skip


async def test_segments_are_whole_bounded_and_lose_nothing(bench: Bench) -> None:
    segments = Segments(bench.store, "one", "s")
    for at in range(SEGMENT_ROWS + 5):
        segments.add(sample(at))
        if at % 100 == 7:
            assert await segments.write()
            assert await segments.write(), "again changes nothing"
    assert await segments.write()
    segments.add(sample(10_000))
    assert await segments.write()
    keys = [info.key async for info in bench.store.list(layout.telemetry_prefix("one"))]
    assert keys == [layout.telemetry_segment("one", name) for name in ("s-00000", "s-00001")]
    times = [row["at"] for row in await bench.rows("one")]
    assert times == [*range(SEGMENT_ROWS + 5), 10_000]
    assert tuple(TELEMETRY_SCHEMA) == TELEMETRY_COLUMNS


async def test_silent_storage_is_waited_for_within_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = Segments(bench.store, "one", "s")
    segments.add(sample(0))
    assert await segments.write()

    async def away(key: str, data: bytes) -> None:
        raise Unavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "put", away)
        for at in range(1, 3000):
            segments.add(sample(at))
            if at % 50 == 0:
                assert not await segments.write()
    assert await segments.write()
    times = [row["at"] for row in await bench.rows("one")]
    assert times[0] == 0 and times[-1] == 2999, "what was stored stays, and the latest is kept"
    assert len(times) <= 2 * SEGMENT_ROWS + 100
