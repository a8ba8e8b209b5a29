"""Stands in for NVIDIA's library (`pynvml`): one device that uses 200 W and ever more memory from its first import on.

Found before the real one by `PYTHONPATH`, so that all that is ours between the driver and the report is the real thing.
"""

# ruff: noqa: N816 - names of the library
import time
import zlib
from types import SimpleNamespace

NVML_TEMPERATURE_GPU = 0
nvmlClocksEventReasonSwPowerCap = 4
nvmlClocksEventReasonSwThermalSlowdown = 32
nvmlClocksEventReasonHwThermalSlowdown = 64
nvmlClocksEventReasonHwPowerBrakeSlowdown = 128
WATTS = 200
UUID = f"GPU-{zlib.crc32(__file__.encode()):08x}"
"""Of each copy its own: a device belongs to one agent of a host."""
_since = time.time()


class NVMLError(Exception):
    """What the library raises."""


def nvmlInit() -> None:
    """There is a driver."""


def nvmlShutdown() -> None:
    """Nothing to give back."""


def nvmlSystemGetDriverVersion() -> str:
    return "999.1"


def nvmlDeviceGetCount() -> int:
    return 1


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    return index


def nvmlDeviceGetHandleByUUID(uuid: str) -> int:
    if uuid != UUID:
        raise NVMLError("Not Found")
    return 0


def nvmlDeviceGetUUID(handle: int) -> str:
    return UUID


def nvmlDeviceGetName(handle: int) -> str:
    return "Stand-in GPU"


def nvmlDeviceGetMemoryInfo(handle: int) -> SimpleNamespace:
    return SimpleNamespace(total=24 << 30, used=(1 << 30) + int((time.time() - _since) * (1 << 24)))


def nvmlDeviceGetUtilizationRates(handle: int) -> SimpleNamespace:
    return SimpleNamespace(gpu=80, memory=10)


def nvmlDeviceGetPowerUsage(handle: int) -> int:
    return WATTS * 1000


def nvmlDeviceGetTotalEnergyConsumption(handle: int) -> int:
    return int((time.time() - _since) * WATTS * 1000)


def nvmlDeviceGetTemperature(handle: int, sensor: int) -> int:
    return 55


def nvmlDeviceGetCurrentClocksEventReasons(handle: int) -> int:
    return nvmlClocksEventReasonSwPowerCap
