"""The whole product on a warm stack beside a bare client: first to last request, as the endpoint saw them."""

import asyncio
import tempfile
from pathlib import Path

from bench.figures import Figures, median
from bench.request_overhead import bare, first_to_last
from bench.workload import running_stack, vhb, write_dataset, write_job
from vhb_shared.testing.endpoint_process import EndpointProcess

REPEAT = 3
SAMPLES = 1000
CONCURRENCY = 32
DELAY_MS = 100


def measure() -> Figures:
    """Medians of interleaved runs."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, EndpointProcess(f"--delay-ms={DELAY_MS}") as endpoint:
        dataset = write_dataset(Path(folder) / "data", SAMPLES)
        with running_stack(Path(folder) / "work"):
            for stream in (False, True):
                job = write_job(Path(folder) / "job.yaml", dataset, endpoint.base_url, stream=stream)
                vhb("submit", str(job), "--workdir", f"{folder}/work", "--wait")  # warm
                ours: list[float] = []
                theirs: list[float] = []
                for _ in range(REPEAT):
                    endpoint.control(reset=True)
                    asyncio.run(bare(endpoint.base_url, SAMPLES, CONCURRENCY, stream))
                    theirs.append(first_to_last(endpoint, SAMPLES))
                    endpoint.control(reset=True)
                    vhb("submit", str(job), "--workdir", f"{folder}/work", "--wait")
                    ours.append(first_to_last(endpoint, SAMPLES))
                ratio = median(ours) / median(theirs)
                rows.append((str(stream).lower(), f"{median(theirs):.2f}", f"{median(ours):.2f}", f"{ratio:.2f}"))
    return Figures(
        name="throughput",
        title=f"{SAMPLES} small images, an endpoint that answers in {DELAY_MS} ms, {CONCURRENCY} at once",
        goal="Goal: the whole product within 1.3 times a bare aiohttp client that does nothing else.",
        columns=("stream", "bare client, s", "whole product, s", "ratio"),
        rows=rows,
        note="First to last request. The product also checkpoints, scores, reports and shows progress meanwhile.",
    )
