"""The cap, the event loop, images and storage that fails."""

import asyncio
import errno
import gc
import time
from collections import Counter
from pathlib import Path

import pytest

from vhb_inference_agent.runner import checkpoint_log, media
from vhb_inference_agent.runner.adaptive import AdaptiveLimit
from vhb_inference_agent.runner.in_flight import Owner
from vhb_inference_agent.runner.pause import Pause
from vhb_inference_agent.runner.slots import Line, Slots
from vhb_shared.contracts.job import Retries
from vhb_shared.contracts.live import Notice, ShardProgress
from vhb_shared.errors import Unavailable
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.samples import store_samples


async def test_the_cap_holds_across_shards_and_is_reached(desk, endpoint) -> None:
    endpoint.control(delay_ms=60)
    desk.concurrency = 5
    run = desk.run(await store_samples(desk.store, 60), shard_size=15)
    async with desk.runner() as runner:
        events = await asyncio.gather(*(runner.answer(run, desk.work(shard), lambda: False) for shard in range(4)))
    assert sum(event.counts.answered for event in events if event) == 60
    assert endpoint.stats()["max_in_flight"] == 5


async def test_an_earlier_shard_goes_first_and_leaves_no_place_empty(desk, endpoint) -> None:
    endpoint.control(delay_ms=40)
    desk.concurrency = 4
    run = desk.run(await store_samples(desk.store, 40), shard_size=20)
    ended: list[int] = []
    async with desk.runner() as runner:

        async def answer(shard: int) -> None:
            await runner.answer(run, desk.work(shard), lambda: False)
            ended.append(shard)
            if shard == 0:
                assert endpoint.stats()["total"] < 40

        first = asyncio.create_task(answer(0))
        await asyncio.sleep(0)
        await asyncio.gather(first, answer(1))
    assert ended == [0, 1]
    assert endpoint.stats()["max_in_flight"] == 4


async def test_places_of_cancelled_requests_are_not_lost(desk) -> None:
    pause = Pause(desk._emit, "agent-1")
    slots = Slots(AdaptiveLimit(2), pause)
    early, late = slots.line(Owner("j", "a")), slots.line(Owner("j", "b"))

    async def hold(line: Line) -> None:
        async with line.slot() as slot:
            await slot.take()
            await asyncio.sleep(60)

    tasks = [asyncio.create_task(hold(line)) for line in (late, late, late, early)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.sleep(0.01)
    tasks[3].cancel()  # holds the place the first one gave back
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert slots.in_flight == 0
    async with asyncio.timeout(1), early.slot() as first, late.slot() as second:
        await first.take()
        await second.take()
        assert slots.in_flight == 2


async def test_a_place_is_free_while_a_request_waits_for_its_retry(desk, endpoint) -> None:
    desk.concurrency = 1
    endpoint.control(rules=[{"match": "question 0", "times": 1, "status": 429, "retry_after": "1"}])
    run = desk.run(await store_samples(desk.store, 4), retries=Retries(max_wait_s=5))
    rows = await desk.rows(await desk.answer(run))
    assert [row["attempts"] for row in rows] == [2, 1, 1, 1]
    assert rows[0]["answered_at"] > max(row["answered_at"] for row in rows[1:])


async def test_retry_after_is_honoured_up_to_the_budget(desk, endpoint) -> None:
    endpoint.control(rules=[{"times": 1, "status": 429, "retry_after": "0.5"}])
    run = desk.run(await store_samples(desk.store, 1), retries=Retries(max_wait_s=5))
    started = time.monotonic()
    assert (await desk.answer(run)).counts.answered == 1
    assert time.monotonic() - started >= 0.5
    endpoint.control(reset=True, rules=[{"status": 429, "retry_after": "3600"}])
    run = desk.run(await store_samples(desk.store, 2), retries=Retries(max_wait_s=0.3))
    started = time.monotonic()
    assert (await desk.answer(run)).counts.failed == 2
    assert 0.3 <= time.monotonic() - started < 5
    assert set(endpoint.stats()["by_key"].values()) == {2}


async def test_each_image_is_read_and_encoded_once(desk, endpoint, monkeypatch) -> None:
    reads: Counter[str] = Counter()
    original = media.read_data_url

    def counted(path: Path, name: str) -> bytes:
        reads[name] += 1
        return original(path, name)

    monkeypatch.setattr(media, "read_data_url", counted)
    run = desk.run(await store_samples(desk.store, 60, images=5), shard_size=20)
    async with desk.runner() as runner:
        await asyncio.gather(*(runner.answer(run, desk.work(shard), lambda: False) for shard in range(3)))
    assert len(reads) == 5 and set(reads.values()) == {1}


async def test_an_image_that_cannot_be_read_fails_its_sample_alone(desk, endpoint) -> None:
    dataset = await store_samples(desk.store, 8)
    keys = [info.key async for info in desk.store.list(layout.dataset_media(dataset.digest, ""))]
    await desk.store.delete(keys[0])
    event = await desk.answer(desk.run(dataset))
    assert (event.counts.answered, event.counts.failed) == (7, 1)
    (failed,) = [row for row in await desk.rows(event) if row["outcome"] == "failed"]
    assert layout.file_name(keys[0]) in failed["error"] and failed["attempts"] == 0
    assert endpoint.stats()["total"] == 7


async def test_the_event_loop_is_never_blocked(desk, endpoint) -> None:
    endpoint.control(delay_ms=5)
    run = desk.run(await store_samples(desk.store, 200, side=600), shard_size=50)
    used: list[float] = []

    async def watch() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            used.append(time.thread_time() - before)

    async with desk.runner() as runner:
        await runner.answer(run, desk.work(0), lambda: False)  # imports, first connection
        gc.freeze()  # what all tests before this one left is not looked through meanwhile
        watcher = asyncio.create_task(watch())
        await asyncio.gather(*(runner.answer(run, desk.work(shard), lambda: False) for shard in range(1, 4)))
        watcher.cancel()
        gc.unfreeze()
    assert max(used) < 0.1


class FailingStore(DirectoryStore):
    """A directory whose writes of answers fail for a while."""

    failures = 0

    async def put(self, key: str, data: bytes) -> None:
        if "/answers/" in key and self.failures:
            self.failures -= 1
            raise Unavailable("the storage does not answer")
        await super().put(key, data)


async def test_storage_that_stops_answering_pauses_the_work_and_loses_nothing(desk, endpoint, tmp_path) -> None:
    desk.store = store = FailingStore(tmp_path / "store")
    run = desk.run(await store_samples(store, 8))
    store.failures = 2
    assert (await desk.answer(run)).counts.answered == 8
    notices = [message.message for message in desk.live if isinstance(message, Notice)]
    assert len(notices) == 2 and notices[0].startswith("paused: ") and notices[1].startswith("resumed: ")
    assert endpoint.stats()["total"] == 8


async def test_a_full_disk_pauses_and_starts_nothing_new(desk, endpoint, monkeypatch) -> None:
    full = True
    original = checkpoint_log.os.write

    def write(fd: int, data: bytes) -> int:
        if full:
            original(fd, bytes(data)[:5])  # as a real disk does: part of it still fits
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(fd, data)

    monkeypatch.setattr(checkpoint_log.os, "write", write)
    run = desk.run(await store_samples(desk.store, 40))
    async with desk.runner() as runner:
        work = asyncio.create_task(runner.answer(run, desk.work(), lambda: False))
        async with asyncio.timeout(30):
            while endpoint.stats()["total"] < desk.concurrency:  # noqa: ASYNC110 - counted by another process
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.8)
        asked = endpoint.stats()["total"]
        assert asked <= 2 * desk.concurrency
        await asyncio.sleep(0.3)
        assert endpoint.stats()["total"] == asked
        full = False
        event = await work
    assert event is not None and event.counts.answered == 40
    assert endpoint.stats()["total"] == 40
    assert "disk is full" in next(message.message for message in desk.live if isinstance(message, Notice))


async def test_progress_at_most_once_a_second(desk, endpoint, monkeypatch) -> None:
    monkeypatch.setattr("vhb_inference_agent.runner.progress.PROGRESS_EVERY_S", 0.1)
    endpoint.control(delay_ms=50)
    run = desk.run(await store_samples(desk.store, 64))
    await desk.answer(run)
    said = [message for message in desk.live if isinstance(message, ShardProgress)]
    done = [message.done for message in said]
    assert 1 <= len(said) <= 20 and done == sorted(done) and said[-1].samples == 64
    assert all(message.counts.total == message.done for message in said)


@pytest.mark.parametrize("images", [1, 3])
def test_encoded_images_are_bounded(images: int) -> None:
    encoder = media.ImageEncoder(copies=None, max_bytes=100)  # type: ignore[arg-type]

    async def fill() -> None:
        for number in range(images):
            task = asyncio.create_task(asyncio.sleep(0, b"x" * 60))
            await task
            encoder._finished(str(number), task)

    asyncio.run(fill())
    assert list(encoder._kept) == [str(images - 1)] and encoder._kept_bytes == 60
