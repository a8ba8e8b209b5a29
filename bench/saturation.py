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
from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.real_vllm import READY_S, SERVE_ARGS, SERVE_ENV, NoRealEngine, real_vllm
from vhb_shared.testing.samples import store_samples

REPEAT = 2
MOST = 256
SAMPLES = 4000
PLACES, HALF_AT, DELAY_MS = 64, 64, 250
"""Of the modelled engine: 64 requests at once take half a second each, 128 a second at most."""
BARE_CONCURRENCY = (64, 96)
"""The bare client is told what the engine can use; the better of the two counts."""
REAL_SAMPLES, REAL_TOKENS, REAL_PLACES = 400, 64, 16
REAL_MODEL = ModelEntry(
    name="tiny-vlm", backend="openai", generation=Generation(max_tokens=REAL_TOKENS, extra={"ignore_eos": True})
)


def measure() -> Figures:
    """Both clients in turn, against the modelled engine and, where it can be had, a real one."""
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        rows = [_modelled(store, asyncio.run(store_samples(store, SAMPLES)))]
        try:
            with _vllm() as url:
                rows.append(_real(url, store, asyncio.run(store_samples(store, REAL_SAMPLES))))
            note = ""
        except NoRealEngine as error:
            note = f"Without vLLM: {error}."
    return Figures(
        name="saturation",
        title="The engine is the limit: samples per second through the runner and through a bare client",
        goal="Goal: at least 0.95. The runner finds by itself how many requests the engine can use; the bare client "
        "is told.",
        columns=("engine", "samples", "bare client, 1/s", "runner, 1/s", "ratio", "requests in flight found"),
        rows=rows,
        note=f"The modelled engine answers {PLACES} requests at once, the more the slower, and queues the rest; "
        f"vLLM is its CPU build with a tiny model, {REAL_PLACES} requests at once, {REAL_TOKENS} tokens each. "
        f"First to last, the start included. {note}".strip(),
    )


def _modelled(store: DirectoryStore, dataset: DatasetRef) -> tuple[str, ...]:
    options = (f"--places={PLACES}", f"--half-at={HALF_AT}", f"--delay-ms={DELAY_MS}")
    with EndpointProcess(*options) as endpoint:
        return _row(
            "modelled",
            dataset.samples,
            lambda concurrency: bare(endpoint.base_url, dataset.samples, concurrency, stream=True),
            BARE_CONCURRENCY,
            lambda: agent(endpoint.base_url, store, dataset, MOST, stream=True, model=MODEL),
        )


def _real(url: str, store: DirectoryStore, dataset: DatasetRef) -> tuple[str, ...]:
    options = {"max_tokens": REAL_TOKENS, "ignore_eos": True, "temperature": 0}
    asyncio.run(bare(url, 2 * REAL_PLACES, REAL_PLACES, stream=True, model="tiny-vlm", **options))  # warm
    return _row(
        "vLLM",
        dataset.samples,
        lambda concurrency: bare(url, dataset.samples, concurrency, stream=True, model="tiny-vlm", **options),
        (2 * REAL_PLACES,),
        lambda: agent(url, store, dataset, MOST, stream=True, model=REAL_MODEL),
    )


def _row(
    name: str,
    samples: int,
    theirs: Callable[[int], Awaitable[None]],
    concurrency: tuple[int, ...],
    ours: Callable[[], Awaitable[int]],
) -> tuple[str, ...]:
    bare_rates: dict[int, list[float]] = {each: [] for each in concurrency}
    our_rates: list[float] = []
    found = 0
    for _ in range(REPEAT):
        for each, rates in bare_rates.items():
            seconds, _result = _timed(lambda each=each: theirs(each))
            rates.append(samples / seconds)
        seconds, found = _timed(ours)
        our_rates.append(samples / seconds)
    best = max(median(rates) for rates in bare_rates.values())
    rate = median(our_rates)
    return (name, str(samples), f"{best:.1f}", f"{rate:.1f}", f"{rate / best:.2f}", str(found))


def _timed(work: Callable[[], Awaitable[object]]) -> tuple[float, object]:
    async def run() -> object:
        return await work()

    started = time.perf_counter()
    result = asyncio.run(run())
    return time.perf_counter() - started, result


@contextlib.contextmanager
def _vllm() -> Iterator[str]:
    """A real engine; its URL.

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
            command, env={**os.environ, **SERVE_ENV}, stdout=log, stderr=log, start_new_session=True
        )
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
