"""From `vhb run JOB` on a cold machine state (no stack, empty working directory) to the first request."""

import subprocess
import tempfile
import time
from pathlib import Path

from bench.figures import Figures, median
from bench.workload import VHB, clean_environment, write_dataset, write_job
from vhb_shared.testing.endpoint_process import EndpointProcess

REPEAT = 3
SAMPLES = 1000


def measure() -> Figures:
    """Medians."""
    first: list[float] = []
    whole: list[float] = []
    with tempfile.TemporaryDirectory() as folder, EndpointProcess("--delay-ms=100") as endpoint:
        dataset = write_dataset(Path(folder) / "data", SAMPLES)
        job = write_job(Path(folder) / "job.yaml", dataset, endpoint.base_url)
        for turn in range(REPEAT):
            endpoint.control(reset=True)
            place = f"{folder}/{turn}"
            command = [*VHB, "run", str(job), "--out", f"{place}/out", "--workdir", f"{place}/work"]
            started = time.time()
            done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
            whole.append(time.time() - started)
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            first.append(endpoint.stats()["first_at"] - started)
    return Figures(
        name="first_request",
        title=f"`vhb run` on {SAMPLES} small images, nothing running before",
        goal="Goal: under 5 s to the first request.",
        columns=("until", "seconds"),
        rows=[("first request", f"{median(first):.1f}"), ("report written, stack stopped", f"{median(whole):.1f}")],
    )
