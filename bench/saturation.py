"""Whether the engine is the limit: requests per second through the runner beside a bare client at its best."""

import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from bench.figures import Figures, median
from bench.request_overhead import MODEL, agent, bare
from vhb_shared.contracts.job import Generation, ModelEntry
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.real_vllm import READY_S, SERVE_ARGS, SERVE_ENV, NoRealEngine, real_vllm
from vhb_shared.testing.samples import store_samples

REPEAT = 2
MOST = 256
SAMPLES = 3000
PLACES, HALF_AT, DELAY_MS = 64, 64, 250
"""Of the modelled engine: 64 requests at once take half a second each, 128 a second at most."""
BARE_CONCURRENCY = 72
"""The bare client is told what the engine can use, and a few more to wait."""
REAL_SAMPLES, REAL_TOKENS, REAL_PLACES = 400, 192, 16
REAL_MODEL = ModelEntry(
    name="tiny-vlm", backend="openai", generation=Generation(max_tokens=REAL_TOKENS, extra={"ignore_eos": True})
)


GOAL = "Goal: at least 0.95. The runner finds by itself how many requests the engine can use; the bare client is told."
COLUMNS = ("samples", "bare client, 1/s", "runner, 1/s", "ratio", "requests in flight found")


def measure() -> Figures:
    """Both clients in turn, against the modelled engine."""
    options = (f"--places={PLACES}", f"--half-at={HALF_AT}", f"--delay-ms={DELAY_MS}")
    with tempfile.TemporaryDirectory() as folder, EndpointProcess(*options) as endpoint:
        store = DirectoryStore(Path(folder))
        dataset = asyncio.run(store_samples(store, SAMPLES))
        row = _row(
            SAMPLES,
            lambda: bare(endpoint.base_url, SAMPLES, BARE_CONCURRENCY, stream=True),
            lambda: agent(endpoint.base_url, store, dataset, MOST, stream=True, model=MODEL),
        )
    return Figures(
        name="saturation",
        title="The engine is the limit: samples per second through the runner and through a bare client",
        goal=GOAL,
        columns=COLUMNS,
        rows=[row],
        note=f"The stand-in models an engine that answers {PLACES} requests at once, the more the slower, and queues "
        "the rest. First to last, the start from 8 in flight included.",
    )


def measure_vllm() -> Figures:
    """The same against a real engine."""
    options = {"max_tokens": REAL_TOKENS, "ignore_eos": True, "temperature": 0, "model": "tiny-vlm"}
    with tempfile.TemporaryDirectory() as folder, _cores_apart() as engines_core, _vllm(engines_core) as url:
        store = DirectoryStore(Path(folder))
        dataset = asyncio.run(store_samples(store, REAL_SAMPLES))
        asyncio.run(bare(url, 2 * REAL_PLACES, REAL_PLACES, stream=True, **options))  # warm
        row = _row(
            REAL_SAMPLES,
            lambda: bare(url, REAL_SAMPLES, 2 * REAL_PLACES, stream=True, **options),
            lambda: agent(url, store, dataset, MOST, stream=True, model=REAL_MODEL),
        )
    return Figures(
        name="saturation_vllm",
        title="The same with vLLM",
        goal=GOAL,
        columns=COLUMNS,
        rows=[row],
        note=f"Its CPU build with a tiny model of random weights: {REAL_PLACES} requests at once, {REAL_TOKENS} tokens "
        "each. The engine has a core of its own, as it has a device of its own on other hosts: its threads wait by "
        "spinning, and would take turns with whoever asks.",
    )


def _row(samples: int, theirs: Callable[[], Awaitable[None]], ours: Callable[[], Awaitable[int]]) -> tuple[str, ...]:
    their_s: list[float] = []
    our_s: list[float] = []
    found: object = None
    for _ in range(REPEAT):
        their_s.append(_timed(theirs)[0])
        seconds, found = _timed(ours)
        our_s.append(seconds)
    their_rate, our_rate = samples / median(their_s), samples / median(our_s)
    return (str(samples), f"{their_rate:.1f}", f"{our_rate:.1f}", f"{our_rate / their_rate:.2f}", str(found))


def _timed(work: Callable[[], Awaitable[object]]) -> tuple[float, object]:
    async def run() -> object:
        return await work()

    started = time.perf_counter()
    result = asyncio.run(run())
    return time.perf_counter() - started, result


@contextlib.contextmanager
def _cores_apart() -> Iterator[int]:
    """Leaves one core to the engine, and this process the others; its number.

    Raises:
        NoRealEngine: there is one core only.
    """
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        raise NoRealEngine("it needs a core beside that of the clients")
    engines = min(cores)
    os.sched_setaffinity(0, cores - {engines})
    try:
        yield engines
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _vllm(core: int) -> Iterator[str]:
    """A real engine on one core; its URL.

    Raises:
        NoRealEngine: it cannot be had here.
    """
    engine = real_vllm()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [engine.program, "serve", str(engine.tiny_vlm()), "--served-model-name", "tiny-vlm"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--max-num-seqs", str(REAL_PLACES)]
    for name, value in SERVE_ARGS.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            env={**os.environ, **SERVE_ENV}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            _until_ready(process, f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(60)


def _until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    give_up = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(urllib.error.URLError, OSError), opener.open(url, timeout=5):
            return
        time.sleep(0.5)
    raise NoRealEngine("it did not start")
