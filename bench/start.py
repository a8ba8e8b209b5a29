"""How long commands take that do next to nothing, as a ratio to importing what every command line here is made of."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figures, median
from bench.workload import VHB, clean_environment, write_dataset, write_job

REPEAT = 9
YARDSTICK = [sys.executable, "-c", "import pydantic, typer"]


def measure() -> Figures:
    """Medians of interleaved runs."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_dataset(Path(folder) / "data", 10)
        job = write_job(Path(folder) / "job.yaml", dataset, "http://127.0.0.1:9/v1")
        commands = {
            'python -c "import pydantic, typer"': YARDSTICK,
            "vhb --help": [*VHB, "--help"],
            "vhb run --help": [*VHB, "run", "--help"],
            "vhb status (no stack)": [*VHB, "status", "--workdir", f"{folder}/none"],
            "vhb validate JOB": [*VHB, "validate", str(job)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(REPEAT + 1):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, env=clean_environment(), capture_output=True, check=False)
                if turn:  # the first one fills caches
                    seconds[name].append(time.perf_counter() - started)
    medians = {name: median(each) for name, each in seconds.items()}
    yardstick = next(iter(medians.values()))
    return Figures(
        name="start",
        title="Start of a command",
        goal="Goal: `vhb --help` under 5 times the yardstick in the first row.",
        columns=("command", "seconds", "ratio"),
        rows=[
            (f"`{name}`", f"{median(each):.2f}", f"{median(each) / yardstick:.1f}") for name, each in seconds.items()
        ],
    )
