"""Devices as declared, and as NVML says (a library that is stood in for: most hosts of tests have no driver)."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vhb_inference_agent.resources import devices
from vhb_inference_agent.resources.devices import find_devices
from vhb_shared.errors import UserError


class NvmlError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Three devices; the second has fallen off the bus."""

    def handle(index: int) -> int:
        if index == 1:
            raise NvmlError("GPU is lost")
        return index

    library = SimpleNamespace(
        NVMLError=NvmlError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "570.1",
        nvmlDeviceGetCount=lambda: 3,
        nvmlDeviceGetHandleByIndex=handle,
        nvmlDeviceGetUUID=lambda index: f"GPU-{index}",
        nvmlDeviceGetName=lambda index: "NVIDIA X",
        nvmlDeviceGetMemoryInfo=lambda index: SimpleNamespace(total=24 << 30),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_declared_devices_are_believed() -> None:
    found = find_devices("1x80, 2x24")
    assert [(device.uuid, device.index, device.memory_gib) for device in found] == [
        ("0", 0, 80.0),
        ("1", 1, 24.0),
        ("2", 2, 24.0),
    ]
    assert find_devices("none") == ()


def test_what_nvml_knows_and_some_of_it(nvml: SimpleNamespace) -> None:
    found = find_devices()
    assert [device.uuid for device in found] == ["GPU-0", "GPU-2"], "one that is lost costs itself only"
    assert (found[0].name, found[0].memory_gib, found[0].driver) == ("NVIDIA X", 24.0, "570.1")
    assert find_devices("2") == find_devices("GPU-2") == found[1:]
    assert find_devices("GPU-2,0,2") == found


def test_no_driver_means_no_devices(nvml: SimpleNamespace) -> None:
    def fails() -> None:
        raise NvmlError("Driver Not Loaded")

    nvml.nvmlInit = fails
    assert find_devices() == ()


@pytest.mark.parametrize("wanted", ["7", "GPU-9", "", "2x24,0", "some"])
def test_a_mistake_says_how_to_mend_it(wanted: str, nvml: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="VHB_AGENT_DEVICES is a list of indices"):
        find_devices(wanted)


def test_two_agents_of_one_host_do_not_share_a_device(nvml: SimpleNamespace, tmp_path: Path) -> None:
    first = find_devices("all", tmp_path)
    assert len(first) == 2
    assert find_devices("all", tmp_path) == first, "its own again"
    held = dict(devices._held)
    devices._held.clear()  # as another process would see it
    try:
        assert find_devices("all", tmp_path) == ()
    finally:
        devices._held.update(held)
    for path in list(held):
        devices._held.pop(path).close()  # type: ignore[attr-defined]
    assert find_devices("all", tmp_path) == first, "who dies lets go"
    for path in list(devices._held):
        devices._held.pop(path).close()  # type: ignore[attr-defined]
