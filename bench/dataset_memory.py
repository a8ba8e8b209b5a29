"""The most memory that reading and storing a data set takes, for a small and a large one."""

import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import polars as pl

from bench.figures import Figures
from bench.peak import peak_mib
from bench.workload import VHB, clean_environment, write_dataset
from vhb_shared.testing.samples import small_png

SMALL = 10_000
LARGE = 1_000_000
IMAGES = 16
FORMATS = {"folder": "a folder: annotation.csv, image files", "parquet": "Parquet: image bytes in every row"}


def measure() -> Figures:
    """`vhb datasets push` of both sizes, in two formats."""
    rows = []
    took = []
    for kind, name in FORMATS.items():
        small, _ = _pushed(kind, SMALL)
        large, seconds = _pushed(kind, LARGE)
        rows.append((name, f"{small:.0f}", f"{large:.0f}", f"{large / small:.2f}", f"{seconds:.0f}"))
        took.append(seconds)
    return Figures(
        name="dataset_memory",
        title=f"Most resident memory of `vhb datasets push`: {SMALL:,} and {LARGE:,} samples",
        goal="Goal: flat.",
        columns=("format", f"{SMALL:,}: MiB", f"{LARGE:,}: MiB", "ratio", f"{LARGE:,}: s"),
        rows=rows,
        note=f"Every sample has an id of its own and one of {IMAGES} small images; {IMAGES} objects are stored.",
    )


def _pushed(kind: str, samples: int) -> tuple[float, float]:
    """MiB and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        source = _write(kind, Path(folder), samples)
        environment = clean_environment() | {"VHB_STORE_DIR": f"{folder}/store", "TMPDIR": folder}
        started = time.monotonic()
        process = subprocess.Popen(
            [*VHB, "datasets", "push", str(source)], env=environment, stdout=subprocess.DEVNULL, cwd=folder
        )
        peak = 0.0
        while process.poll() is None:
            with suppress(ProcessLookupError, FileNotFoundError):
                peak = peak_mib(process.pid)
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"vhb datasets push ended with {process.returncode}")
        stored = sum(1 for path in Path(folder, "store").rglob("*.png"))
        assert stored == IMAGES, stored
        return peak, time.monotonic() - started


def _write(kind: str, folder: Path, samples: int) -> Path:
    if kind == "folder":
        return write_dataset(folder / "data", samples, IMAGES)
    images = pl.DataFrame(
        {
            "image": [{"bytes": small_png(number), "path": f"{number}.png"} for number in range(IMAGES)],
            "key": range(IMAGES),
        }
    )
    number = pl.int_range(samples, eager=True)
    questions = pl.DataFrame({"n": number, "key": number % IMAGES}).select(
        "key",
        (pl.lit("sample-") + pl.col("n").cast(pl.String)).alias("id"),
        (pl.lit("question ") + pl.col("n").cast(pl.String)).alias("question"),
        (pl.lit("answer ") + pl.col("n").cast(pl.String)).alias("answer"),
    )
    table = questions.join(images, on="key", how="left", maintain_order="left").drop("key")
    path = folder / "data.parquet"
    table.write_parquet(path, row_group_size=10_000)
    return path
