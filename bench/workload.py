"""What is run in a measurement: a data set of small images in the folder format, a job file, a command."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vhb_shared.testing.samples import small_png

VHB = [sys.executable, "-m", "vhb.main"]
COLUMNS = "data_index;split;image_path;question;answer;doc_class;question_type;answer_bbox"
READY_S = 60


def clean_environment() -> dict[str, str]:
    """The environment without what would lead the product elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("VHB_")}


def write_dataset(folder: Path, samples: int, images: int | None = None) -> Path:
    """A data set in the folder format; `images` distinct ones are shown in turn."""
    images = images or samples
    (folder / "images").mkdir(parents=True)
    for number in range(images):
        (folder / "images" / f"{number:06d}.png").write_bytes(small_png(number))
    with (folder / "annotation.csv").open("w", encoding="utf-8") as file:
        file.write(COLUMNS + "\n")
        for number in range(samples):
            image = f"images/{number % images:06d}.png"
            file.write(f"{number};test;{image};question {number};answer {number};invoice;total;\n")
    return folder


def write_job(
    path: Path, dataset: Path, base_url: str, *, stream: bool = False, concurrency: int = 32, metrics: str = "[cer]"
) -> Path:
    """A job of one run: the stand-in endpoint asked about every sample."""
    path.write_text(
        f"""name: bench
reuse: false
models:
  - {{name: stand-in, backend: openai, model: stand-in, base_url: "{base_url}", concurrency: {concurrency},
      stream: {str(stream).lower()}}}
tasks:
  - {{name: read, dataset: "{dataset}", prompt: Read., metrics: {metrics}}}
""",
        encoding="utf-8",
    )
    return path


def vhb(*arguments: str) -> str:
    """Runs a command of the product to its end; its standard output."""
    done = subprocess.run([*VHB, *arguments], env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"vhb {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.strip()


@contextmanager
def running_stack(
    workdir: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """`vhb up`, ready and warm: all its services are there.

    Args:
        workdir: of the stack.
        options: of `vhb up`.
        environment: variables of the services.
    """
    command = [*VHB, "up", "--workdir", str(workdir), *options]
    variables = clean_environment() | dict(environment or {})
    up = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    try:
        assert up.stdout is not None
        if not up.stdout.readline().startswith("ready"):
            raise SystemExit("vhb up did not start")
        give_up = time.monotonic() + READY_S
        while not _all_started(workdir / "logs"):
            if time.monotonic() > give_up:
                raise SystemExit("the services did not start")
            time.sleep(0.1)
        time.sleep(2)  # what they do right after their start is not what is measured
        yield up
    finally:
        up.terminate()
        up.wait(60)


def _all_started(logs: Path) -> bool:
    files = [file for file in logs.glob("*.log") if not file.name.startswith("nats")]
    return len(files) >= 4 and all("service_started" in file.read_text() for file in files)
