"""From submitting a job of one sample to its report, on a warm stack."""

import asyncio
import tempfile
import time
from pathlib import Path

from bench.figures import Figures, median, quantile
from bench.workload import running_stack, write_dataset, write_job
from vhb.connect import Connection, connected, of_stack
from vhb.embedded.workdir import Workdir
from vhb_shared.contracts import subjects
from vhb_shared.contracts.events import JobCompleted, JobReportCompleted
from vhb_shared.jobs.submission import new_job_id, read_job, self_contained, submit
from vhb_shared.testing.endpoint_process import EndpointProcess

REPEAT = 15
WAIT_S = 30
MARKS = (
    ("accepted", "job.accepted"),
    ("backend ready", "backend.ready"),
    ("inference completed", "run.inference.completed"),
    ("evaluation completed", "run.evaluation.completed"),
    ("job report written", JobReportCompleted.what),
    ("job completed", JobCompleted.what),
)


def measure() -> Figures:
    """Medians and the slowest."""
    with tempfile.TemporaryDirectory() as folder, EndpointProcess("--delay-ms=0") as endpoint:
        dataset = write_dataset(Path(folder) / "data", 1)
        job = write_job(Path(folder) / "job.yaml", dataset, endpoint.base_url)
        with running_stack(Path(folder) / "work"):
            turns = asyncio.run(_turns(Path(folder) / "work", job))
    rows = []
    for name, what in MARKS:
        times = [turn[what] * 1000 for turn in turns if what in turn]
        if times:
            rows.append((name, f"{median(times):.0f}", f"{quantile(times, 0.9):.0f}"))
    return Figures(
        name="submit_latency",
        title="From submit to report: one sample, a warm stack, a model that answers at once",
        goal="Goal: 300 ms to the job's report.",
        columns=("until", "p50, ms", "p90, ms"),
        rows=rows,
    )


async def _turns(workdir: Path, job: Path) -> list[dict[str, float]]:
    address = Workdir(workdir).running()
    assert address is not None
    async with connected(of_stack(address)) as connection:
        loaded, registry = read_job(job)
        spec = await self_contained(loaded, registry, connection.store, lambda text: None)
        turns = []
        for turn in range(REPEAT + 3):
            seen = await _one(connection, spec)
            if turn >= 3:
                turns.append(seen)
            await asyncio.sleep(0.3)
        return turns


async def _one(connection: Connection, spec: object) -> dict[str, float]:
    job_id = new_job_id("bench")
    seen: dict[str, float] = {}
    over = asyncio.Event()

    async def on_event(message: object) -> None:
        what = str(message.subject).partition(f".{job_id}.")[2]  # type: ignore[attr-defined]
        seen.setdefault(what, time.perf_counter() - started)
        if what == JobCompleted.what:
            over.set()

    subscription = await connection.bus.nc.subscribe(subjects.events_of_job(job_id), cb=on_event)
    started = time.perf_counter()
    await submit(connection.bus, connection.store, spec, job_id)  # type: ignore[arg-type]
    async with asyncio.timeout(WAIT_S):
        await over.wait()
    await subscription.unsubscribe()
    return seen
