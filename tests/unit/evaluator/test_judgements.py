"""Where judgements are kept: reached from threads, without getting into the way of the storage or of the end."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vhb_evaluator.judgements import StoredJudgements
from vhb_evaluator.threads import threaded
from vhb_shared.errors import NotFound, Unavailable
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore

KEYS = [f"{n:064x}" for n in range(100)]


async def test_what_is_kept_is_found(tmp_path: Path) -> None:
    kept = StoredJudgements(DirectoryStore(tmp_path), asyncio.get_running_loop())
    assert await threaded(kept.find, KEYS) == {}
    some = {key: key.encode() for key in KEYS[::2]}
    await threaded(kept.keep, some)
    assert await threaded(kept.find, KEYS) == some
    assert await threaded(kept.find, []) == {}


async def test_threads_that_wait_for_the_storage_leave_it_threads(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))  # a directory as storage works in these
    kept = StoredJudgements(DirectoryStore(tmp_path), loop)
    async with asyncio.timeout(20):
        await asyncio.gather(*(threaded(kept.find, KEYS[:5]) for _ in range(4)))


class Silent(DirectoryStore):
    """Does not answer, or never comes back."""

    def __init__(self, root: Path, *, hangs: bool) -> None:
        super().__init__(root)
        self._hangs = hangs

    async def get(self, key: str) -> bytes:
        if self._hangs:
            await asyncio.sleep(3600)
        raise Unavailable("the storage does not answer")


async def test_a_storage_that_does_not_answer_is_waited_for(tmp_path: Path) -> None:
    kept = StoredJudgements(Silent(tmp_path, hangs=False), asyncio.get_running_loop())
    with pytest.raises(Unavailable, match="does not answer"):
        await threaded(kept.find, KEYS[:1])


def test_a_thread_does_not_outlive_the_loop(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_forever)
    running.start()
    kept = StoredJudgements(Silent(tmp_path, hangs=True), loop)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(kept.find, KEYS[:1])
        loop.call_soon_threadsafe(loop.stop)
        running.join()
        with pytest.raises(Unavailable, match="being stopped"):
            waiting.result(timeout=20)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()


async def test_a_missing_one_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await DirectoryStore(tmp_path).get(layout.judgement(KEYS[0]))


async def test_a_run_waits_with_it(bench, tmp_path, make_samples, make_answers, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    await bench.start(
        tmp_path, make_samples([["a"]]), metrics=[{"name": "judge", "options": {"model": "m", "base_url": "http://x"}}]
    )
    await bench.commit(tmp_path, 0, make_answers([(0, "a", "answered")]))

    async def silent(key: str) -> bytes:
        raise Unavailable("the storage does not answer")

    monkeypatch.setattr(bench.store, "get", silent)
    with pytest.raises(Unavailable):
        await bench.handlers.evaluate_run(bench.completed())
