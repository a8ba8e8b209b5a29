"""Images of a data set on a real S3 server: fetched once per host, verified, bounded."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.s3 import S3Store
from vhb_shared.testing.s3_server import S3Server

IMAGES = 40
AGENT = """
import asyncio, json, sys
from pathlib import Path
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.s3 import S3Store

class Counting(S3Store):
    fetched = []
    async def get_file(self, key, path):
        self.fetched.append(key)
        await super().get_file(key, path)

async def main():
    options, folder, keys = json.loads(sys.stdin.read())
    async with Counting(**options) as store:
        cache = ObjectCache(store, Path(folder))
        paths = await asyncio.gather(*(cache.path(key) for key in keys))
        print(json.dumps([Counting.fetched, sum(path.stat().st_size for path in paths)]))

asyncio.run(main())
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with S3Server(tmp_path / "s3") as running:
        yield running


def options(server: S3Server) -> dict[str, object]:
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    return {"endpoint": server.endpoint, "bucket": server.bucket, "secure": False, **keys}


class Counting(S3Store):
    fetched: Counter[str]

    async def get_file(self, key: str, path: Path) -> None:
        self.fetched[key] += 1
        await super().get_file(key, path)


def images(size: int = 1000, count: int = IMAGES) -> dict[str, bytes]:
    contents = [f"image {number} ".encode() * (size // 8) for number in range(count)]
    return {layout.dataset_media("d", f"{hashlib.sha256(content).hexdigest()}.png"): content for content in contents}


async def stored(server: S3Server, objects: dict[str, bytes]) -> None:
    async with S3Store(**options(server)) as store:  # type: ignore[arg-type]
        # The first makes the folder: rclone answers 500 now and then when several uploads make it at once.
        (key, content), *others = objects.items()
        await store.put(key, content)
        await asyncio.gather(*(store.put(key, content) for key, content in others))


async def test_agents_of_one_host_fetch_each_image_once(server: S3Server, tmp_path: Path) -> None:
    objects = images()
    await stored(server, objects)
    told = json.dumps([options(server), str(tmp_path / "cache"), list(objects)])

    def agent() -> str:
        return subprocess.run(
            [sys.executable, "-c", AGENT], input=told, capture_output=True, text=True, check=True
        ).stdout

    said = [json.loads(output) for output in await asyncio.gather(*(asyncio.to_thread(agent) for _ in range(3)))]
    fetched = Counter(key for keys, _ in said for key in keys)
    assert fetched == Counter(list(objects))
    assert {size for _, size in said} == {sum(map(len, objects.values()))}


async def test_a_damaged_file_is_fetched_again(server: S3Server, tmp_path: Path) -> None:
    objects = images(count=1)
    ((key, content),) = objects.items()
    await stored(server, objects)
    async with Counting(**options(server)) as store:  # type: ignore[arg-type]
        store.fetched = Counter()
        path = await ObjectCache(store, tmp_path / "cache").path(key)
        path.write_bytes(content[:-1] + b"?")
        again = await ObjectCache(store, tmp_path / "cache").path(key)
        assert again.read_bytes() == content
        assert store.fetched[key] == 2


async def test_the_cache_stays_within_its_bound_and_keeps_what_is_in_use(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = images(size=10_000)
    await stored(server, objects)
    bound = 10 * 10_000
    async with S3Store(**options(server)) as store:  # type: ignore[arg-type]
        cache = ObjectCache(store, tmp_path / "cache", max_bytes=bound)
        in_use = [await cache.path(key) for key in objects]
        assert all(path.exists() for path in in_use), "handed out a moment ago"
        monkeypatch.setattr("vhb_shared.store.cache.IN_USE_S", 0.0)
        for key in [*objects][:12]:
            (tmp_path / "cache" / key).unlink(missing_ok=True)
            await cache.path(key)
        held = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.png"))
        assert held <= bound + bound // 20 + 10_000
