"""Looking known answers up: the index of a scope with many answers, and a run of which all are known."""

import asyncio
import gc
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import polars as pl
import psutil

from bench.figures import Figures
from vhb_inference_agent.runner.parts import encode_part
from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_shared.asking.questions import RunFiles, shard_questions
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import Answer
from vhb_shared.reuse.index import REUSABLE, encode_index, part_rows
from vhb_shared.reuse.scope import reuse_scope
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectInfo
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.samples import store_samples

KNOWN = 1_000_000
RUNS = 8
SAMPLES = 10_000
MODEL = ModelEntry(name="m", backend="openai", base_url="http://127.0.0.1:9/v1")
SCOPE = reuse_scope(MODEL)


class CountingStore(DirectoryStore):
    """Counts what an S3 server would be asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gets = 0
        self.lists = 0

    async def get(self, key: str) -> bytes:
        self.gets += 1
        return await super().get(key)

    async def get_file(self, key: str, path: Path) -> None:
        self.gets += 1
        await super().get_file(key, path)

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        self.lists += 1
        return super().list(prefix)

    def local_path(self, key: str) -> Path | None:
        return None  # as with S3


def measure() -> Figures:
    """One agent, a directory in the place of S3."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> Figures:
    store = CountingStore(folder / "store")
    copies = ObjectCache(store, folder / "copies")
    run = await _known_run(store, copies)
    for number in range(RUNS - 1):
        await _store_index(store, f"old-{number}", _made_up(number, (KNOWN - SAMPLES) // (RUNS - 1)))
    known = KnownAnswers(store, copies)
    samples = await copies.path(layout.dataset_samples(run.dataset.digest))
    questions = [shard_questions(RunFiles(samples), run, shard) for shard in range(run.shards)]
    store.gets = store.lists = 0
    gc.collect()
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    assert len(await known.to(run, 0, questions[0])) == len(questions[0])
    loaded = time.perf_counter() - started
    gets = store.gets
    held = (psutil.Process().memory_info().rss - before) / 2**20
    started = time.perf_counter()
    for shard in questions:
        answers = await known.to(run, 0, shard)
        assert len(answers) == len(shard)
        await asyncio.to_thread(encode_part, answers.values())
    seconds = time.perf_counter() - started
    return Figures(
        name="reuse",
        title=f"{KNOWN:,} known answers of {RUNS} runs, a new run of {SAMPLES:,} of them",
        goal="Goal: a request to storage for each run and each part, not for each answer.",
        columns=("", "figure"),
        rows=[
            ("index read and merged, s", f"{loaded:.2f}"),
            ("memory for it, MiB", f"{held:.0f}"),
            ("requests for it", f"{store.lists} list, {gets - 1} get"),
            (f"{SAMPLES:,} answers found and written as parts, s", f"{seconds:.2f}"),
            ("answers/s", f"{SAMPLES / seconds:,.0f}"),
            ("requests for them", f"{store.gets - gets + 1} get ({run.shards} parts)"),
        ],
    )


async def _known_run(store: CountingStore, copies: ObjectCache) -> RunSpec:
    """A run whose answers are stored and indexed."""
    dataset = await store_samples(store, SAMPLES, images=16)
    run = RunSpec(
        job_id="new", run_id="new-0", name="m__t", model=MODEL, task=TaskEntry(name="t"), dataset=dataset,
        samples=SAMPLES, shard_size=64, shards=-(-SAMPLES // 64), backend_id="b", stages=("inference",),
        results_run_id="new-0", reuse=True,
    )  # fmt: skip
    samples = await copies.path(layout.dataset_samples(dataset.digest))
    rows = []
    for shard in range(run.shards):
        part = encode_part(
            Answer(index=each.index, id=each.id, model_answer=f"answer {each.index}", outcome="answered", attempts=1,
                   fingerprint=each.fingerprint, answered_at="2026-01-01T00:00:00+00:00")
            for each in shard_questions(RunFiles(samples), run, shard)
        )  # fmt: skip
        await store.put(layout.answers_part("known-0", shard, part.token), part.data)
        table = pl.read_parquet(part.data, columns=["fingerprint", "outcome", "answered_at"])
        rows.append(part_rows(table, shard, part.token)[0])
    await _store_index(store, "known-0", rows)
    return run


def _made_up(number: int, count: int) -> list[pl.DataFrame]:
    fingerprints = [hashlib.sha256(f"{number}/{each}".encode()).hexdigest() for each in range(count)]
    table = pl.DataFrame({"fingerprint": fingerprints}).with_columns(
        outcome=pl.lit(REUSABLE[0]), answered_at=pl.lit("2025-01-01T00:00:00+00:00")
    )
    return [part_rows(table.slice(first, 64), first // 64, f"{first:012x}")[0] for first in range(0, count, 64)]


async def _store_index(store: CountingStore, run_id: str, rows: list[pl.DataFrame]) -> None:
    index = encode_index(SCOPE, run_id, rows, "2026-01-01T00:00:00+00:00")
    assert index is not None
    await store.put(index.key, index.data)
