"""What the runner costs beside a bare client: small images, an endpoint that answers after a while, many at once."""

import asyncio
import base64
import json
import tempfile
from pathlib import Path

import aiohttp

from bench.figures import Figures, median
from vhb_inference_agent.endpoint import Endpoint
from vhb_inference_agent.runner.shard_runner import ShardRunner
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.job import Generation, ModelEntry, TaskEntry
from vhb_shared.contracts.live import Live
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.samples import small_png, store_samples

REPEAT = 3
SAMPLES = 1000
CONCURRENCY = 32
DELAY_MS = 100
SHARD_SIZE = 64
MODEL = ModelEntry(name="stand-in", backend="openai", generation=Generation(max_tokens=64))


class Fixed:
    """A backend that is always there."""

    replica = "0"

    def __init__(self, base_url: str, model: str) -> None:
        self.endpoint = Endpoint(base_url, model)

    async def after_connection_error(self) -> bool:
        """Nothing to restart."""
        return False


async def bare(
    url: str, samples: int, concurrency: int, stream: bool, model: str = "stand-in", **options: object
) -> None:
    """The bare client: prepared bodies, a few coroutines, replies read to the end.

    Args:
        options: of the request, beside the messages.
    """
    more = options | {"model": model, "stream": stream}
    bodies = iter([_body(number, more) for number in range(samples)])
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work() -> None:
            for body in bodies:
                headers = {"Content-Type": "application/json"}
                async with session.post(f"{url}/chat/completions", data=body, headers=headers) as response:
                    if stream:
                        async for line in response.content:
                            if line.startswith(b"data: {"):
                                json.loads(line[6:])
                    else:
                        await response.json()

        await asyncio.gather(*(work() for _ in range(concurrency)))


def _body(number: int, options: dict[str, object]) -> bytes:
    image = "data:image/png;base64," + base64.b64encode(small_png(number)).decode()
    content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": f"question {number}"}]
    body = options | {"messages": [{"role": "user", "content": content}]}
    return json.dumps(body).encode()


async def agent(
    url: str, store: DirectoryStore, dataset: DatasetRef, concurrency: int, stream: bool, model: ModelEntry = MODEL
) -> int:
    """The runner: shards from storage, as it wants them; checkpoints, answers parts.

    Returns:
        The limit on requests in flight that it ended with.
    """
    run = RunSpec(
        job_id="bench",
        run_id="bench-run",
        name="bench",
        model=model.model_copy(update={"stream": stream}),
        task=TaskEntry(name="bench"),
        dataset=dataset,
        samples=dataset.samples,
        shard_size=SHARD_SIZE,
        shards=-(-dataset.samples // SHARD_SIZE),
        backend_id="bench",
        stages=("inference",),
        results_run_id="bench-run",
    )

    async def emit(message: Live) -> None:
        return None

    with tempfile.TemporaryDirectory() as folder:
        copies = ObjectCache(store, Path(folder) / "cache")
        async with ShardRunner(
            store=store,
            copies=copies,
            backend=Fixed(url, model.served_model),
            checkpoints=Path(folder),
            agent_id="bench",
            emit=emit,
            concurrency=concurrency,
        ) as runner:

            async def answer(shard: int) -> None:
                message = InferShard(job_id="bench", run_id=run.run_id, backend_id="bench", shard=shard, attempt=1)
                await runner.answer(run, message, lambda: False)
                await runner.forget(message.run_id, message.shard)

            async with asyncio.TaskGroup() as group:
                for shard in range(run.shards):
                    await runner.until_hungry()
                    group.create_task(answer(shard))
                    await asyncio.sleep(0)  # it is in hand then
            return runner.slots


def first_to_last(endpoint: EndpointProcess, samples: int) -> float:
    """Seconds from the first to the last request; each sample was asked exactly once."""
    stats = endpoint.stats()
    if stats["total"] != samples or len(stats["by_key"]) != samples:
        raise SystemExit(f"asked {stats['total']} requests for {len(stats['by_key'])} of {samples} samples")
    return float(stats["last_at"] - stats["first_at"])


def measure() -> Figures:
    """Medians of interleaved runs."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, EndpointProcess(f"--delay-ms={DELAY_MS}") as endpoint:
        store = DirectoryStore(Path(folder))
        dataset = asyncio.run(store_samples(store, SAMPLES))
        for stream in (False, True):
            seconds: dict[str, list[float]] = {"bare": [], "agent": []}
            for _ in range(REPEAT):
                endpoint.control(reset=True)
                asyncio.run(bare(endpoint.base_url, SAMPLES, CONCURRENCY, stream))
                seconds["bare"].append(first_to_last(endpoint, SAMPLES))
                endpoint.control(reset=True)
                asyncio.run(agent(endpoint.base_url, store, dataset, CONCURRENCY, stream))
                seconds["agent"].append(first_to_last(endpoint, SAMPLES))
            bare_s, agent_s = (median(values) for values in seconds.values())
            rows.append((str(stream).lower(), f"{bare_s:.2f}", f"{agent_s:.2f}", f"{agent_s / bare_s:.2f}"))
    return Figures(
        name="request_overhead",
        title=f"The agent's runner alone: {SAMPLES} small images, {DELAY_MS} ms, {CONCURRENCY} at once",
        goal="Beside a bare aiohttp client; part of the whole product's ratio above.",
        columns=("stream", "bare client, s", "runner, s", "ratio"),
        rows=rows,
        note="First to last request. The openai client alone accounts for most of the difference.",
    )
