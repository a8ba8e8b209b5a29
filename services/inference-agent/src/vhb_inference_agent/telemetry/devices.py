"""What accelerators say of themselves. The only module of telemetry that knows NVML."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict

log = structlog.get_logger(__name__)
T = TypeVar("T")


class DeviceReading(BaseModel):
    """One device at one moment. None: the device does not tell."""

    model_config = ConfigDict(frozen=True)

    uuid: str
    name: str = ""
    memory_used: int | None = None
    """Bytes in use by whomever."""
    memory_total: int | None = None
    use: float | None = None
    """Share of the last sampling period in which a kernel ran, 0 to 1."""
    power_w: float | None = None
    energy_j: float | None = None
    """Counter since the driver was loaded."""
    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()


class DeviceReader(Protocol):
    """Reads devices; `NvmlReader`, or a stand-in. Blocking: called in a thread, one call at a time."""

    def read(self, uuids: Sequence[str]) -> tuple[DeviceReading, ...]:
        """Readings of those that can be read; raises nothing."""
        ...


class NvmlReader:
    """NVIDIA's management library. Where it or its driver is absent, nothing can be read."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._absent = False
        self._handles: dict[str, Any] = {}

    def read(self, uuids: Sequence[str]) -> tuple[DeviceReading, ...]:
        """See `DeviceReader.read`."""
        if not uuids or not self._ready():
            return ()
        readings = (self._read(uuid) for uuid in uuids)
        return tuple(reading for reading in readings if reading is not None)

    def _ready(self) -> bool:
        if self._nvml is None and not self._absent:
            try:
                import pynvml

                pynvml.nvmlInit()
                self._nvml = pynvml
            except Exception as error:  # the library, its driver, or the right to use it may be missing
                log.info("no_device_telemetry", reason=str(error) or type(error).__name__)
                self._absent = True
        return self._nvml is not None

    def _read(self, uuid: str) -> DeviceReading | None:
        nvml = self._nvml
        if uuid not in self._handles:
            # Devices that were declared and not found have no UUID that NVML knows.
            handle = self._ask(lambda: nvml.nvmlDeviceGetHandleByUUID(uuid))
            if handle is None:
                return None
            self._handles[uuid] = handle
        handle = self._handles[uuid]
        memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        rates = self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        power = self._ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        energy = self._ask(lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        temperature = self._ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        return DeviceReading(
            uuid=uuid,
            name=str(self._ask(lambda: nvml.nvmlDeviceGetName(handle)) or ""),
            memory_used=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            use=None if rates is None else rates.gpu / 100,
            power_w=None if power is None else power / 1000,
            energy_j=None if energy is None else energy / 1000,
            temperature_c=None if temperature is None else float(temperature),
            throttled=self._throttled(handle),
        )

    def _throttled(self, handle: Any) -> tuple[str, ...]:
        nvml = self._nvml
        bits = self._ask(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)) or 0
        meanings = {
            "power": nvml.nvmlClocksEventReasonSwPowerCap,
            "heat": nvml.nvmlClocksEventReasonSwThermalSlowdown | nvml.nvmlClocksEventReasonHwThermalSlowdown,
            "brake": nvml.nvmlClocksEventReasonHwPowerBrakeSlowdown,
        }
        return tuple(word for word, mask in meanings.items() if bits & mask)

    def _ask(self, question: Callable[[], T]) -> T | None:
        """None for what this device, driver or slice of a device (MIG) does not tell."""
        try:
            return question()
        except self._nvml.NVMLError:
            return None
