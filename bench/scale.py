"""Many agents: the real stack, an endpoint that takes a second for an answer, four requests at once for each agent."""

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psutil

from bench.figures import Figures
from bench.workload import running_stack, vhb, write_dataset
from vhb_shared.testing.endpoint_process import EndpointProcess

DELAY_S = 1.0
CONCURRENCY = 4
SHARD_SIZE = 8
SAMPLES_EACH = 96
"""Of the data set, for each agent."""
AGENTS = (1, 2, 4, 8)
SLOW_CYCLE_S, SLOW_AWAKE_S = 5.0, 0.5
"""The slow agent is stopped for all but so much of every cycle: one set of requests in a cycle instead of five."""
SLOWER = SLOW_CYCLE_S / DELAY_S


@dataclass(frozen=True)
class Scaled:
    """What the endpoint saw of a job."""

    samples: int
    seconds: float
    """From the first request to the last answer."""
    most_at_once: int
    longest_shard_s: float
    """Of the agent that answered fewest samples, from the first request of a shard to its last answer."""

    @property
    def rate(self) -> float:
        """Samples per second."""
        return self.samples / self.seconds


def run(agents: int, samples: int, *, slow: bool = False) -> Scaled:
    """A job on a warm stack with so many agents.

    Args:
        agents: processes; each serves one replica.
        samples: of the job.
        slow: whether one of the agents is five times slower than the others.
    """
    environment = {"VHB_AGENT_REMOTE_SLOTS": "1"}
    with tempfile.TemporaryDirectory() as folder, EndpointProcess(f"--delay-ms={DELAY_S * 1000:g}") as endpoint:
        place = Path(folder)
        warm = _job(place / "warm", endpoint.base_url, agents, agents * SHARD_SIZE * 4)
        measured = _job(place / "measured", endpoint.base_url, agents, samples)
        with running_stack(place / "work", "--agents", str(agents), environment=environment) as stack:
            vhb("submit", str(warm), "--workdir", f"{folder}/work", "--wait")
            endpoint.control(reset=True)
            with _slowed(stack.pid) if slow else _nothing():
                job_id = vhb("submit", str(measured), "--workdir", f"{folder}/work", "--wait").strip()
            stats = endpoint.stats()
            vhb("results", job_id, "--workdir", f"{folder}/work", "--out", f"{folder}/results")
        (answers,) = place.glob("results/runs/*/answers.parquet")
        longest_s = _longest_shard_s(answers)
    if stats["total"] != samples:
        raise SystemExit(f"asked {stats['total']} requests for {samples} samples")
    return Scaled(samples, stats["last_done_at"] - stats["first_at"], stats["max_in_flight"], longest_s)


def measure() -> Figures:
    """Work grows with the agents, so that the ends weigh the same."""
    rows = []
    alone = 0.0
    for agents in AGENTS:
        scaled = run(agents, SAMPLES_EACH * agents)
        alone = alone or scaled.rate
        speed_up = f"{scaled.rate / alone:.2f}"
        rows.append((str(agents), str(scaled.samples), f"{scaled.seconds:.1f}", f"{scaled.rate:.1f}", speed_up))
    slow = run(AGENTS[-1], SAMPLES_EACH * AGENTS[-1], slow=True)
    late = slow.seconds - ideal_s(slow.samples)
    rows.append((f"{AGENTS[-1]}, one of them slow", str(slow.samples), f"{slow.seconds:.1f}", f"{slow.rate:.1f}", "-"))
    return Figures(
        name="scale",
        title=f"1 to 8 agents: an endpoint of {DELAY_S:g} s, {CONCURRENCY} requests at once for each agent",
        goal="Goal: speed-up at 8 at least 7; one slow agent delays the end by less than one shard.",
        columns=("agents", "samples", "seconds", "samples/s", "speed-up"),
        rows=rows,
        note=f"The slow agent is stopped for {SLOW_CYCLE_S - SLOW_AWAKE_S:g} of every {SLOW_CYCLE_S:g} s; its longest "
        f"shard of {SHARD_SIZE} took {slow.longest_shard_s:.1f} s. With it the job ended {late:.1f} s after the time "
        f"that all agents' rates together allow ({ideal_s(slow.samples):.1f} s).",
    )


def ideal_s(samples: int) -> float:
    """Seconds that the work takes when nobody, the slow agent included, is ever idle."""
    return samples * DELAY_S / CONCURRENCY / (AGENTS[-1] - 1 + 1 / SLOWER)


def _longest_shard_s(answers: Path) -> float:
    times = (pl.col(name).str.to_datetime(time_zone="UTC") for name in ("started_at", "answered_at"))
    table = pl.read_parquet(answers).with_columns(times)
    slowest = table["replica"].value_counts(sort=True)["replica"][-1]
    shards = (
        table.filter(pl.col("replica") == slowest)
        .group_by(pl.col("index") // SHARD_SIZE)
        .agg((pl.col("answered_at").max() - pl.col("started_at").min()).dt.total_milliseconds().alias("ms"))
    )
    return max(shards["ms"]) / 1000


def _job(folder: Path, base_url: str, agents: int, samples: int) -> Path:
    dataset = write_dataset(folder, samples, images=8)
    path = folder.with_suffix(".yaml")
    path.write_text(
        f"""name: scale
shard_size: {SHARD_SIZE}
reuse: false
models:
  - {{name: stand-in, backend: openai, model: stand-in, base_url: "{base_url}", concurrency: {CONCURRENCY},
      replicas: {agents}, stream: false}}
tasks:
  - {{name: read, dataset: "{dataset}", prompt: Read., metrics: [exact_match]}}
""",
        encoding="utf-8",
    )
    return path


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _slowed(stack: int) -> Iterator[None]:
    """Stops and continues one agent in turn."""
    children = psutil.Process(stack).children(recursive=True)
    agent = next(child for child in children if "vhb_inference_agent" in child.cmdline())
    over = threading.Event()

    def throttle() -> None:
        while not over.is_set():
            agent.send_signal(signal.SIGSTOP)
            over.wait(SLOW_CYCLE_S - SLOW_AWAKE_S)
            agent.send_signal(signal.SIGCONT)
            time.sleep(SLOW_AWAKE_S)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
