"""Images come from far away ahead of their requests, a few at once, each once for all models."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from vhb_inference_agent.runner import media
from vhb_inference_agent.runner.media import ImageEncoder
from vhb_inference_agent.runner.prefetch import AT_ONCE
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.samples import store_samples


class FarStore(DirectoryStore):
    """A directory that pretends to be far away, and counts what is fetched."""

    fetched: Counter[str]
    at_once = most = 0

    def local_path(self, key: str) -> Path | None:
        return None

    async def get_file(self, key: str, path: Path) -> None:
        self.fetched[key] += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.02)
        await super().get_file(key, path)
        self.at_once -= 1


@pytest.fixture
def far(desk, tmp_path: Path) -> FarStore:
    desk.store = store = FarStore(tmp_path / "far")
    store.fetched = Counter()
    return store


async def test_images_are_fetched_once_and_ahead_of_the_requests(desk, endpoint, far: FarStore) -> None:
    endpoint.control(rules=[{"action": "hang"}])
    run = desk.run(await store_samples(far, 60), shard_size=60)
    desk.concurrency = 2
    async with desk.runner() as runner:
        work = asyncio.create_task(runner.answer(run, desk.work(), lambda: False))
        async with asyncio.timeout(60):
            while len(far.fetched) < 61:  # noqa: ASYNC110 - the samples too
                await asyncio.sleep(0.02)
        assert endpoint.stats()["total"] <= 2, "all images are here while the first requests are in flight"
        work.cancel()
        await asyncio.wait({work})
    assert set(far.fetched.values()) == {1}
    assert far.most <= AT_ONCE + 3 + 1, "requests fetch what they need at once"


async def test_an_image_is_encoded_once_for_all_models(desk, endpoint, far: FarStore, monkeypatch) -> None:
    encoded: Counter[str] = Counter()
    original = media.read_data_url

    def counted(path: Path, name: str) -> bytes:
        encoded[name] += 1
        return original(path, name)

    monkeypatch.setattr(media, "read_data_url", counted)
    run = desk.run(await store_samples(far, 20), shard_size=20)
    copies = ObjectCache(far, desk.state_dir / "cache")
    desk.images = ImageEncoder(copies)
    for _ in range(2):
        await desk.answer(run)
    assert len(encoded) == 20 and set(encoded.values()) == {1}
    assert set(far.fetched.values()) <= {1}
