"""`python -m bench [NAME ...] [--write]`: measures, prints tables, and writes them into README.md beside this file."""

import argparse
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench import (
    analytics,
    dataset_memory,
    event_latency,
    first_paint,
    first_request,
    gpu,
    intervals,
    memory,
    metrics,
    request_overhead,
    reuse,
    saturation,
    scale,
    start,
    submit_latency,
    throughput,
    watchers,
)
from bench.figures import Figures
from vhb_shared.errors import UserError

MEASUREMENTS: dict[str, Callable[[], Figures]] = {
    "start": start.measure,
    "first_request": first_request.measure,
    "request_overhead": request_overhead.measure,
    "throughput": throughput.measure,
    "event_latency": event_latency.measure,
    "submit_latency": submit_latency.measure,
    "reuse": reuse.measure,
    "intervals": intervals.measure,
    "memory": memory.measure,
    "metrics": metrics.measure,
    "dataset_memory": dataset_memory.measure,
    "analytics": analytics.measure,
    "saturation": saturation.measure,
    "saturation_vllm": saturation.measure_vllm,
    "scale": scale.measure,
    "watchers": watchers.measure,
    "first_paint": first_paint.measure,
    "gpu": gpu.measure,
}
BY_NAME_ONLY = frozenset({"gpu"})
"""What few machines can measure."""
README = Path(__file__).with_name("README.md")


def main() -> None:
    """Runs all measurements, or the named ones."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; default: all but gpu")
    parser.add_argument("--write", action="store_true", help="put the tables into bench/README.md")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    console = Console()
    for name in options.names or [name for name in MEASUREMENTS if name not in BY_NAME_ONLY]:
        console.print(f"measuring {name} ...", style="dim")
        try:
            figures = MEASUREMENTS[name]()
        except UserError as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from None
        console.print(figures.shown())
        if options.write:
            _write(figures)


def _write(figures: Figures) -> None:
    """Puts a table between its markers."""
    text = README.read_text(encoding="utf-8")
    start_mark, end_mark = f"<!-- {figures.name} -->", f"<!-- /{figures.name} -->"
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    block = f"{start_mark}\n{figures.markdown()}\nMeasured on {machine}.\n{end_mark}"
    pattern = re.compile(f"{re.escape(start_mark)}.*?{re.escape(end_mark)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{README} has no place for {figures.name}: {start_mark} {end_mark}")
    README.write_text(pattern.sub(lambda _: block, text), encoding="utf-8")


if __name__ == "__main__":
    main()
