"""The measurement on a GPU, as far as it goes without one: its way from the device to the table, with a tiny model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import gpu
from vhb_shared.contracts.state import Device
from vhb_shared.errors import UserError

ROOT = Path(__file__).parents[3]
NVML = ROOT / "tests" / "integration" / "telemetry" / "nvml.py"
TINY = """
from bench import gpu
from vhb_inference_agent.resources.devices import find_devices
print(gpu.figures(gpu.run("tiny", gpu.device_of(find_devices()), 6, 8)).markdown())
"""

NO_DRIVER = """
class NVMLError(Exception): ...
def nvmlInit(): raise NVMLError("NVML Shared Library Not Found")
"""


def bench_with(library: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python with a stand-in for NVIDIA's library, which is found before the real one."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{library}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=800,
    )


def device(memory_gib: float) -> Device:
    return Device(uuid="GPU-1", index=0, name="Some GPU", memory_gib=memory_gib, driver="1.0")


def test_the_largest_model_that_the_device_bears() -> None:
    assert gpu.size_for(device(79.6)) == "7b"
    assert gpu.size_for(device(15.9)) == "3b"
    with pytest.raises(UserError, match="needs a GPU with 10 GiB and Some GPU has 8 GiB"):
        gpu.size_for(device(8))


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text(NO_DRIVER)
    done = bench_with(tmp_path, "-m", "bench", "gpu", "--write")
    assert done.returncode == 2
    assert done.stderr == (
        "This measurement needs a GPU and NVML finds none on this host; run it where `nvidia-smi` lists one.\n"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_the_device_to_the_table(tmp_path: Path) -> None:
    """The driver is a stand-in and the model tiny, on the processor; the rest is what runs on a GPU."""
    shutil.copyfile(NVML, tmp_path / "pynvml.py")
    done = bench_with(tmp_path, "-c", TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = dict(line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| "))
    assert "-" not in {value for name, value in cells.items() if name != "---"}, "every figure was measured"
    assert float(cells["use of the device"]) == 0.8 and float(cells["power, W"]) == 200
    assert "Stand-in GPU (driver 999.1): 6 images, 48 tokens in all" in done.stdout
