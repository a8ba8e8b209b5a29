"""The most memory each process held over a job, for a small and a large one."""

import subprocess
import tempfile
import threading
import time
from pathlib import Path

from bench.figures import Figures
from bench.workload import VHB, clean_environment, running_stack, write_dataset, write_job
from vhb_shared.testing.endpoint_process import EndpointProcess

SMALL = 1_000
LARGE = 100_000
IMAGES = 16
EVERY_S = 0.25
SERVICES = {
    "vhb_scheduler": "scheduler",
    "vhb_inference_agent": "agent",
    "vhb_evaluator": "evaluator",
    "vhb_reporter": "reporter",
    "nats-server": "nats-server",
    "vhb.main": "command line (`vhb up`)",
}
COMMAND = "command line (`vhb submit --wait`)"


def measure() -> Figures:
    """One job of each size, each on a stack of its own."""
    small, small_s = _peaks(SMALL)
    large, large_s = _peaks(LARGE)
    return Figures(
        name="memory",
        title=f"Most resident memory of each process: jobs of {SMALL:,} and {LARGE:,} samples",
        goal="Goal: flat.",
        columns=("process", f"{SMALL:,}: MiB", f"{LARGE:,}: MiB", "ratio"),
        rows=[
            (name, f"{small[name]:.0f}", f"{large[name]:.0f}", f"{large[name] / small[name]:.2f}")
            for name in (*SERVICES.values(), COMMAND)
        ],
        note=f"The jobs took {small_s:.0f} s and {large_s:.0f} s with an endpoint that answers at once.",
    )


def _peaks(samples: int) -> tuple[dict[str, float], float]:
    peaks: dict[str, float] = dict.fromkeys((*SERVICES.values(), COMMAND), 0.0)
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder, EndpointProcess("--delay-ms=0") as endpoint:
        dataset = write_dataset(Path(folder) / "data", samples, IMAGES)
        job = write_job(Path(folder) / "job.yaml", dataset, endpoint.base_url)
        with running_stack(Path(folder) / "work") as up:
            command = [*VHB, "submit", str(job), "--workdir", f"{folder}/work", "--wait"]
            started = time.monotonic()
            submit = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL)
            watcher = threading.Thread(target=_watch, args=(up.pid, submit.pid, peaks, over))
            watcher.start()
            code = submit.wait()
            over.set()
            watcher.join()
            if code:
                raise SystemExit(f"vhb submit ended with {code}")
            return peaks, time.monotonic() - started


def _watch(stack: int, command: int, peaks: dict[str, float], over: threading.Event) -> None:
    while not over.wait(EVERY_S):
        for process, name in _processes(stack, command).items():
            peaks[name] = max(peaks[name], _resident_mib(process))


def _processes(stack: int, command: int) -> dict[int, str]:
    found = {command: COMMAND, stack: SERVICES["vhb.main"]}
    for task in Path(f"/proc/{stack}/task").glob("*/children"):
        for child in task.read_text().split():
            try:
                line = Path(f"/proc/{child}/cmdline").read_text()
            except OSError:
                continue
            name = next((name for part, name in SERVICES.items() if part in line), None)
            if name is not None:
                found[int(child)] = name
    return found


def _resident_mib(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return int(line.split()[1]) / 1024
