"""Local copies of objects: shared, verified, bounded."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from vhb_shared.errors import NotFound, Unavailable
from vhb_shared.store import layout
from vhb_shared.store.cache import Damaged, ObjectCache
from vhb_shared.store.directory import DirectoryStore


class RemoteStore(DirectoryStore):
    """A directory that pretends to be far away, counts downloads and can be told to fail."""

    downloads = 0
    failing = False

    def local_path(self, key: str) -> Path | None:
        return None

    async def get_file(self, key: str, path: Path) -> None:
        self.downloads += 1
        await asyncio.sleep(0.01)
        if self.failing:
            raise Unavailable("not now")
        await super().get_file(key, path)


def list_folder(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def media(content: bytes) -> str:
    return layout.dataset_media("d", f"{hashlib.sha256(content).hexdigest()}.png")


async def test_a_directorys_own_files_are_handed_out(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    await store.put("a/b", b"x")
    cache = ObjectCache(store, tmp_path / "cache")
    assert await cache.path("a/b") == tmp_path / "store" / "a" / "b"
    with pytest.raises(NotFound):
        await cache.path("a/c")
    assert not any(path.name == "cache" for path in list_folder(tmp_path))
    (tmp_path / "store").rename(tmp_path / "unmounted")
    with pytest.raises(Unavailable, match="mounted"):
        await cache.path("a/b")


async def test_one_download_for_all(tmp_path: Path) -> None:
    store = RemoteStore(tmp_path / "store")
    key = media(b"image")
    await store.put(key, b"image")
    cache = ObjectCache(store, tmp_path / "cache")
    paths = await asyncio.gather(*(cache.path(key) for _ in range(20)))
    assert {path.read_bytes() for path in paths} == {b"image"}
    await cache.path(key)
    assert store.downloads == 1
    # another process on the same folder
    await ObjectCache(store, tmp_path / "cache").path(key)
    assert store.downloads == 1


async def test_a_cancelled_caller_does_not_cancel_the_others(tmp_path: Path) -> None:
    store = RemoteStore(tmp_path / "store")
    await store.put("key", b"x")
    cache = ObjectCache(store, tmp_path / "cache")
    first, second = asyncio.create_task(cache.path("key")), asyncio.create_task(cache.path("key"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).read_bytes() == b"x"
    assert store.downloads == 1


async def test_errors_are_not_remembered(tmp_path: Path) -> None:
    store = RemoteStore(tmp_path / "store")
    await store.check()
    cache = ObjectCache(store, tmp_path / "cache")
    with pytest.raises(NotFound):
        await cache.path("key")
    await store.put("key", b"x")
    store.failing = True
    with pytest.raises(Unavailable):
        await cache.path("key")
    store.failing = False
    assert (await cache.path("key")).read_bytes() == b"x"


async def test_a_damaged_copy_is_fetched_again(tmp_path: Path) -> None:
    store = RemoteStore(tmp_path / "store")
    key = media(b"image")
    await store.put(key, b"image")
    path = await ObjectCache(store, tmp_path / "cache").path(key)
    path.write_bytes(b"")  # what a loss of power may leave
    again = await ObjectCache(store, tmp_path / "cache").path(key)
    assert again.read_bytes() == b"image"


async def test_a_damaged_object_is_said_so(tmp_path: Path) -> None:
    store = RemoteStore(tmp_path / "store")
    key = media(b"image")
    await store.put(key, b"something else")
    with pytest.raises(Damaged, match="damaged"):
        await ObjectCache(store, tmp_path / "cache").path(key)
    assert store.downloads == 2


async def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store = RemoteStore(tmp_path / "store")
    cache = ObjectCache(store, tmp_path / "cache", max_bytes=10_000)
    contents = [bytes([number]) * 1000 for number in range(30)]
    for content in contents:
        await store.put(media(content), content)
    hour_ago = time.time() - 3600
    for number, content in enumerate(contents[:10]):
        os.utime(await cache.path(media(content)), (hour_ago + number,) * 2)
    await cache.path(media(contents[0]))  # used again: now the youngest
    for number, content in enumerate(contents[10:15]):
        os.utime(await cache.path(media(content)), (hour_ago + 100 + number,) * 2)
    left = {path.name.split(".")[0] for path in (tmp_path / "cache").rglob("*.png")}
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    assert len(left) <= 11
    assert digests[0] in left
    assert not left & set(digests[1:5])


async def test_what_was_just_handed_out_stays(tmp_path: Path) -> None:
    store = RemoteStore(tmp_path / "store")
    cache = ObjectCache(store, tmp_path / "cache", max_bytes=3000)
    contents = [bytes([number]) * 1000 for number in range(10)]
    for content in contents:
        await store.put(media(content), content)
    paths = [await cache.path(media(content)) for content in contents]
    assert [path.read_bytes() for path in paths] == contents
