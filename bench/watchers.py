"""Many people watch while many agents work: 200 clients of the live stream, 8 agents, beside the same job unwatched."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psutil

from bench.figures import Figures, quantile
from bench.peak import peak_mib
from bench.workload import clean_environment, running_stack, vhb, write_dataset
from vhb.embedded.workdir import Workdir
from vhb_shared.testing.endpoint_process import EndpointProcess

CLIENTS = 200
CLIENTS_OF_A_TOKEN = 50
AGENTS = 8
SAMPLES = 2400
SHARD_SIZE = 4
CONCURRENCY = 4
DELAY_S = 0.25


@dataclass(frozen=True)
class Watched:
    """What one client saw."""

    messages: int
    events: int
    delays_s: list[float]
    """From when an event says it happened to when it was read."""
    saw_end: bool
    shards: int
    """Completed shards that it was told of."""


def measure() -> Figures:
    """The same work in one stack: unwatched, then watched by all clients."""
    environment = {"VHB_AGENT_REMOTE_SLOTS": "1"}
    with tempfile.TemporaryDirectory() as folder, EndpointProcess(f"--delay-ms={DELAY_S * 1000:g}") as endpoint:
        place, work = Path(folder), Path(folder) / "work"
        jobs = {name: _job(place / name, name, endpoint.base_url) for name in ("warm", "alone", "watched")}
        with running_stack(work, "--agents", str(AGENTS), "--no-browser", environment=environment) as stack:
            vhb("submit", str(jobs["warm"]), "--workdir", str(work), "--limit", "256", "--wait")
            alone = _seconds(jobs["alone"], work, endpoint)
            address = Workdir(work).api_address.read_text()
            tokens = [_token(work, f"watcher {n}") for n in range(CLIENTS // CLIENTS_OF_A_TOKEN)]
            command = [sys.executable, "-m", "bench.watchers", address]
            watching = subprocess.Popen(
                command, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert watching.stdin is not None and watching.stdout is not None
            watching.stdin.write(json.dumps(tokens) + "\n")
            watching.stdin.flush()
            if watching.stdout.readline().strip() != "watching":
                raise SystemExit("the clients did not connect")
            api = next(one for one in psutil.Process(stack.pid).children(recursive=True) if "vhb_api" in one.cmdline())
            before, started = sum(api.cpu_times()[:2]), time.monotonic()
            watched = _seconds(jobs["watched"], work, endpoint)
            busy = (sum(api.cpu_times()[:2]) - before) / (time.monotonic() - started)
            said, _ = watching.communicate(timeout=60)
            memory = peak_mib(api.pid)
    clients = [Watched(**one) for one in json.loads(said)]
    if len(clients) != CLIENTS or not all(one.saw_end for one in clients):
        raise SystemExit(f"{sum(one.saw_end for one in clients)} of {CLIENTS} clients saw the job's end")
    shards = SAMPLES // SHARD_SIZE
    missed = sum(one.shards != shards for one in clients)
    delays = [delay for one in clients for delay in one.delays_s]
    return Figures(
        name="watchers",
        title=f"{CLIENTS} clients watch while {AGENTS} agents work",
        goal="Goal: the work takes no longer for being watched (ratio at most 1.1); every client is told everything.",
        columns=("", "value"),
        rows=[
            ("the job alone, s", f"{alone:.1f}"),
            (f"the job with {CLIENTS} clients, s", f"{watched:.1f}"),
            ("ratio", f"{watched / alone:.2f}"),
            ("clients that were told of every shard and of the end", f"{CLIENTS - missed} of {CLIENTS}"),
            ("messages sent to a client", f"{quantile([one.messages for one in clients], 0.5):.0f}"),
            ("from an event to a client, p50 and p99, s", f"{quantile(delays, 0.5):.2f}, {quantile(delays, 0.99):.2f}"),
            ("cores that the management plane used", f"{busy:.2f}"),
            ("its memory at most, MiB", f"{memory:.0f}"),
        ],
        note=f"{SAMPLES} samples in {shards} shards, an endpoint of {DELAY_S:g} s. Clients are told every 0.4 s at "
        "most; they share the machine with everything else.",
    )


def _seconds(job: Path, work: Path, endpoint: EndpointProcess) -> float:
    endpoint.control(reset=True)
    vhb("submit", str(job), "--workdir", str(work), "--wait")
    stats = endpoint.stats()
    if stats["total"] != SAMPLES:
        raise SystemExit(f"asked {stats['total']} requests for {SAMPLES} samples")
    return float(stats["last_done_at"] - stats["first_at"])


def _token(work: Path, name: str) -> str:
    return vhb("api", "token", "create", name, "--workdir", str(work))


def _job(folder: Path, name: str, base_url: str) -> Path:
    dataset = write_dataset(folder, SAMPLES, images=8)
    path = folder.with_suffix(".yaml")
    path.write_text(
        f"""name: {name}
shard_size: {SHARD_SIZE}
reuse: false
models:
  - {{name: stand-in, backend: openai, model: stand-in, base_url: "{base_url}", concurrency: {CONCURRENCY},
      replicas: {AGENTS}, stream: false}}
tasks:
  - {{name: read, dataset: "{dataset}", prompt: Read., metrics: [exact_match]}}
""",
        encoding="utf-8",
    )
    return path


async def _watch(address: str, tokens: list[str]) -> list[Watched]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=300)
    connected = asyncio.Barrier(CLIENTS + 1)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        clients = [
            asyncio.create_task(_client(session, address, tokens[n // CLIENTS_OF_A_TOKEN], connected))
            for n in range(CLIENTS)
        ]
        await connected.wait()
        print("watching", flush=True)
        return await asyncio.gather(*clients)


async def _client(session: aiohttp.ClientSession, address: str, token: str, connected: asyncio.Barrier) -> Watched:
    """Reads until the job named `watched` has its report."""
    headers = {"Authorization": f"Bearer {token}"}
    messages = events = shards = 0
    delays: list[float] = []
    kind = ""
    async with session.get(f"{address}/api/v1/stream", headers=headers) as response:
        response.raise_for_status()
        await connected.wait()
        async for raw in response.content:
            line = raw.decode()
            if line.startswith("event: "):
                kind = line[7:].strip()
            elif line.startswith("data: "):
                messages += 1
                data = json.loads(line[6:])
                if kind == "shards":
                    shards += sum(data["completed"].values())
                elif kind == "event":
                    events += 1
                    happened = datetime.fromisoformat(data["time"])
                    delays.append((datetime.now(UTC) - happened).total_seconds())
                    if data["what"] == "job.completed":
                        return Watched(messages, events, delays, True, shards)
    return Watched(messages, events, delays, False, shards)


if __name__ == "__main__":
    seen = asyncio.run(_watch(sys.argv[1], json.loads(sys.stdin.readline())))
    print(json.dumps([vars(one) for one in seen]))
