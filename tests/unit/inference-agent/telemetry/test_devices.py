"""NVML through a library that answers as the real one does. No test machine has a device."""

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from vhb_inference_agent.telemetry.devices import NvmlReader


class FakeNvml(ModuleType):
    """Two devices; `broken` names questions that the driver refuses."""

    NVML_TEMPERATURE_GPU = 0
    nvmlClocksEventReasonSwPowerCap = 4  # noqa: N815 - the library\'s names
    nvmlClocksEventReasonSwThermalSlowdown = 32  # noqa: N815 - the library\'s names
    nvmlClocksEventReasonHwThermalSlowdown = 64  # noqa: N815 - the library\'s names
    nvmlClocksEventReasonHwPowerBrakeSlowdown = 128  # noqa: N815 - the library\'s names

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.broken: set[str] = set()
        self.inits = 0

    def _told(self, name: str, value: Any) -> Any:
        if name in self.broken:
            raise self.NVMLError("Not Supported")
        return value

    def nvmlInit(self) -> None:
        self.inits += 1
        self._told("init", None)

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in ("GPU-a", "GPU-b"):
            raise self.NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        return self._told("memory", SimpleNamespace(used=7 << 30, total=24 << 30, free=17 << 30))

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        return self._told("rates", SimpleNamespace(gpu=87, memory=40))

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        return int(self._told("power", 301_500))

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        return int(self._told("energy", 9_876_543))

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        return int(self._told("temperature", 61))

    def nvmlDeviceGetName(self, handle: str) -> str:
        return str(self._told("name", "NVIDIA A10"))

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: str) -> int:
        return int(self._told("clocks", 64 | 4))


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNvml]:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    yield fake


def test_units_are_bytes_shares_watts_and_joules(nvml: FakeNvml) -> None:
    reader = NvmlReader()
    (first, second) = reader.read(("GPU-a", "GPU-b"))
    assert (first.uuid, second.uuid, first.name) == ("GPU-a", "GPU-b", "NVIDIA A10")
    assert (first.memory_used, first.memory_total) == (7 << 30, 24 << 30)
    assert (first.use, first.power_w, first.energy_j, first.temperature_c) == (0.87, 301.5, 9876.543, 61)
    assert first.throttled == ("power", "heat")
    reader.read(("GPU-a",))
    assert nvml.inits == 1


def test_what_a_device_does_not_tell_is_none_and_never_zero(nvml: FakeNvml) -> None:
    nvml.broken = {"memory", "rates", "power", "energy", "temperature", "name", "clocks"}
    (reading,) = NvmlReader().read(("GPU-a",))
    known = reading.model_dump(exclude={"uuid", "name", "throttled"})
    assert set(known.values()) == {None}
    assert reading.throttled == ()


def test_devices_that_nvml_does_not_know_are_left_out(nvml: FakeNvml) -> None:
    assert [each.uuid for each in NvmlReader().read(("0", "GPU-b", "GPU-gone"))] == ["GPU-b"]


def test_without_a_driver_nothing_is_read(nvml: FakeNvml) -> None:
    nvml.broken = {"init"}
    reader = NvmlReader()
    assert reader.read(("GPU-a",)) == () == reader.read(("GPU-a",))
    assert nvml.inits == 1, "asked once"


def test_nothing_leased_asks_nothing(nvml: FakeNvml) -> None:
    assert NvmlReader().read(()) == ()
    assert nvml.inits == 0
