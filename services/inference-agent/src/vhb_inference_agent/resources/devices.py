"""Which accelerators a host has: asked of NVML, or declared.

`VHB_AGENT_DEVICES` is a list of words, separated by commas:

- `all` (the default): everything that NVML knows; `none`: nothing;
- an index or a UUID: that one of what NVML knows (`0,2` or `GPU-5f...`);
- `COUNTxGIB`: so many devices of so much memory that NVML does not know (`2x24`), named 0, 1, ... as CUDA and its
  relatives name them. What is declared is believed, and is not mixed with what is found.
"""

import fcntl
import re
from pathlib import Path

import structlog

from vhb_shared.contracts.state import Device
from vhb_shared.errors import UserError

log = structlog.get_logger(__name__)

_DECLARED = re.compile(r"(\d{1,3})x(\d+(?:\.\d+)?)")
_HOW = "VHB_AGENT_DEVICES is a list of indices or UUIDs, or of declared devices like 2x24, or `all`, or `none`"


def find_devices(wanted: str = "all", locks: Path | None = None) -> tuple[Device, ...]:
    """The devices of this agent, by index. Blocks (a driver may take seconds): call it in a thread.

    Args:
        wanted: see above.
        locks: a folder shared by the agents of this host. A found device belongs to the first of them that asks, for
            as long as it lives; None: no look at others.

    Raises:
        UserError: `wanted` names what is not there.
    """
    words = [word.strip() for word in wanted.split(",") if word.strip()]
    declared = [_DECLARED.fullmatch(word) for word in words]
    if words and all(declared):
        sizes = [float(match[2]) for match in declared if match for _ in range(int(match[1]))]
        return tuple(
            Device(uuid=str(index), index=index, name="declared", memory_gib=size) for index, size in enumerate(sizes)
        )
    if any(declared) or not words:
        raise UserError(f"{_HOW}; it is {wanted!r}.")
    if words == ["none"]:
        return ()
    found = _of_nvml()
    if words != ["all"]:
        found = tuple(sorted((_named(word, found) for word in dict.fromkeys(words)), key=lambda device: device.index))
        found = tuple(dict.fromkeys(found))
    if locks is None:
        return found
    return tuple(device for device in found if _locked(device, locks))


def _named(word: str, found: tuple[Device, ...]) -> Device:
    for device in found:
        if word in (str(device.index), device.uuid):
            return device
    known = ", ".join(f"{device.index} ({device.uuid})" for device in found) or "none"
    raise UserError(f"{_HOW}; this host has no device {word!r}, it has: {known}.")


def _of_nvml() -> tuple[Device, ...]:
    """Nothing where the library or the driver is absent."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        log.info("no_nvml", reason=str(error))
        return ()
    found: list[Device] = []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                found.append(
                    Device(
                        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
                        index=index,
                        name=str(pynvml.nvmlDeviceGetName(handle)),
                        memory_gib=round(int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) / 2**30, 2),
                        driver=driver,
                    )
                )
            except pynvml.NVMLError as error:
                # One that has fallen off the bus must not cost the others.
                log.warning("device_unusable", index=index, reason=str(error))
    except pynvml.NVMLError as error:
        log.warning("nvml_failed", reason=str(error))
    finally:
        pynvml.nvmlShutdown()
    return tuple(found)


_held: dict[Path, object] = {}
"""Open lock files: the kernel lets go of them when this process ends, however it ends."""


def _locked(device: Device, folder: Path) -> bool:
    path = folder / f"{device.uuid.replace('/', '_')}.lock"
    if path in _held:
        return True
    folder.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        log.warning("device_of_another_agent", index=device.index, uuid=device.uuid)
        return False
    _held[path] = file
    return True
