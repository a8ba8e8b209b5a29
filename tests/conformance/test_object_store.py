"""What every object storage must do; each implementation passes all of it."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from vhb_shared.errors import NotFound, Unavailable
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.store.s3 import S3Store
from vhb_shared.testing.s3_server import S3Server


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["directory", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    made: ObjectStore
    if request.param == "directory":
        made = DirectoryStore(tmp_path / "store")
    else:
        server: S3Server = request.getfixturevalue("s3_server")
        bucket = f"b{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]}"
        server.make_bucket(bucket)
        made = S3Store(server.endpoint, bucket, server.access_key, server.secret_key, secure=False)
    async with made as opened:
        await opened.check()
        yield opened


async def keys(store: ObjectStore, prefix: str) -> list[str]:
    return [info.key async for info in store.list(prefix)]


def files_named(folder: Path, pattern: str) -> list[Path]:
    return list(folder.rglob(pattern))


async def test_what_was_put_is_read(store: ObjectStore) -> None:
    await store.put("jobs/a/plan.json", b'{"a": 1}')
    assert await store.get("jobs/a/plan.json") == b'{"a": 1}'
    assert await store.exists("jobs/a/plan.json")


async def test_a_part_of_an_object_is_read(store: ObjectStore) -> None:
    await store.put("a/b", bytes(range(100)))
    assert await store.get_range("a/b", 10, 5) == bytes(range(10, 15))
    assert await store.get_range("a/b", 95, 50) == bytes(range(95, 100))
    with pytest.raises(NotFound):
        await store.get_range("a/c", 0, 1)


async def test_check_leaves_nothing_behind(store: ObjectStore) -> None:
    assert await keys(store, "") == []


async def test_empty_object(store: ObjectStore) -> None:
    await store.put("empty", b"")
    assert await store.get("empty") == b""
    assert [(info.key, info.size) async for info in store.list("")] == [("empty", 0)]


async def test_missing_object(store: ObjectStore, tmp_path: Path) -> None:
    assert not await store.exists("no/such")
    with pytest.raises(NotFound):
        await store.get("no/such")
    with pytest.raises(NotFound):
        await store.get_file("no/such", tmp_path / "out" / "file")
    assert files_named(tmp_path, "*file*") == []
    await store.delete("no/such")


async def test_a_prefix_is_no_object(store: ObjectStore) -> None:
    await store.put("folder/object", b"x")
    assert not await store.exists("folder")
    for asked in (store.get, store.delete):
        # rclone answers status 500 to reading or deleting a folder
        with suppress(NotFound) if isinstance(store, DirectoryStore) else suppress(NotFound, Unavailable):
            await asked("folder")
    assert await store.get("folder/object") == b"x"


async def test_put_again_replaces_whole(store: ObjectStore) -> None:
    await store.put("key", b"a" * 100_000)
    await store.put("key", b"b")
    assert await store.get("key") == b"b"


async def test_deleted_is_gone(store: ObjectStore) -> None:
    await store.put("a/one", b"1")
    await store.put("a/two", b"2")
    await store.delete("a/one")
    assert not await store.exists("a/one")
    assert await keys(store, "a/") == ["a/two"]


async def test_files_of_many_parts(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    block = hashlib.sha256(b"seed").digest() * 32_768  # 1 MiB
    with source.open("wb") as file:
        for number in range(37):
            file.write(number.to_bytes(4, "big") + block)
    await store.put_file("big/file.bin", source)
    target = tmp_path / "made" / "on" / "the" / "way" / "file.bin"
    await store.get_file("big/file.bin", target)
    assert target.read_bytes() == source.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]
    assert [info.size async for info in store.list("big/")] == [source.stat().st_size]


async def test_get_file_replaces(store: ObjectStore, tmp_path: Path) -> None:
    await store.put("key", b"new")
    (tmp_path / "file").write_bytes(b"old and longer")
    await store.get_file("key", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"


async def test_listing_is_in_key_order_and_by_prefix(store: ObjectStore) -> None:
    names = ["a.txt", "a/b", "a/b.c", "a/b-d/e", "a0", "runs/r-1/x", "runs/r-10/x", "runs/r-2/x", "Б/я", "б"]
    for name in names:
        await store.put(name, b".")
    assert await keys(store, "") == sorted(names)
    assert await keys(store, "a/b") == ["a/b", "a/b-d/e", "a/b.c"] == sorted(n for n in names if n.startswith("a/b"))
    assert await keys(store, "runs/r-1") == ["runs/r-1/x", "runs/r-10/x"]
    assert await keys(store, "runs/r-1/") == ["runs/r-1/x"]
    assert await keys(store, "nothing/") == []
    assert await keys(store, "nothing") == []


async def test_long_listing(store: ObjectStore) -> None:
    expected = [f"long/{number:05d}" for number in range(2_345)]
    await asyncio.gather(*(store.put(key, b"x") for key in reversed(expected)))
    assert await keys(store, "long/") == expected


async def test_a_listing_may_be_left_early(store: ObjectStore) -> None:
    for number in range(5):
        await store.put(f"few/{number}", b"x")
    async for info in store.list("few/"):
        assert info.key == "few/0"
        break
    assert len(await keys(store, "few/")) == 5


async def test_names_with_spaces_and_letters(store: ObjectStore) -> None:
    names = ["имя файла.txt", "a b/c d+e&f=g%20?#.csv", "quote'\"<>.json", "emoji-🧾"]
    for name in names:
        await store.put(name, name.encode())
    assert await keys(store, "") == sorted(names)
    for name in names:
        assert await store.get(name) == name.encode()


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "a//b", "../up", "a/../../up", "a/./b", "a/", "a\\b", "a\x00b", "a\nb", ".tmp/x", "x" * 300],
)
async def test_bad_keys_are_refused(store: ObjectStore, tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        await store.put(key, b"x")
    with pytest.raises(ValueError, match="not a storage key"):
        await store.get(key)
    with pytest.raises(ValueError, match="not a storage key"):
        await store.get_file(key, tmp_path / "x")
    with pytest.raises(ValueError, match="not a storage key"):
        await store.exists(key)
    with pytest.raises(ValueError, match="not a storage key"):
        await store.delete(key)


@pytest.mark.parametrize("prefix", ["/", "../", "a//", "a/../b"])
async def test_bad_prefixes_are_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        await keys(store, prefix)


async def test_readers_see_all_or_nothing(store: ObjectStore) -> None:
    versions = [bytes([65 + number]) * 200_000 for number in range(4)]
    await store.put("flip", versions[0])
    done = False
    seen = 0

    async def write() -> None:
        nonlocal done
        for turn in range(20):
            await store.put("flip", versions[turn % 4])
        done = True

    async def read() -> None:
        nonlocal seen
        while not done:
            try:
                content = await store.get("flip")
            except Unavailable:  # rclone breaks some answers off; what did arrive is refused, not returned
                continue
            assert content in versions
            seen += 1

    await asyncio.gather(write(), read(), read())
    assert seen


async def test_many_writers_of_one_key(store: ObjectStore) -> None:
    async def put() -> None:
        for _ in range(20):
            try:
                return await store.put("same/key", b"the same content")
            except Unavailable:  # what a caller does with it; rclone answers some racing writers with status 500
                await asyncio.sleep(0.02)
        raise AssertionError("never got through")

    await asyncio.gather(*(put() for _ in range(20)))
    assert await store.get("same/key") == b"the same content"
    assert await keys(store, "") == ["same/key"]


async def test_the_event_loop_keeps_turning(store: ObjectStore) -> None:
    data = b"x" * (8 << 20)
    longest = 0.0
    stop = False

    async def tick() -> None:
        nonlocal longest
        while not stop:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started)

    ticking = asyncio.create_task(tick())
    await store.put("loop/object", data)
    assert await store.get("loop/object") == data
    stop = True
    await ticking
    assert longest < 0.25, f"the event loop stood still for {longest:.3f} s"


async def test_a_version_changes_with_the_content_and_only_then(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        await store.version("a/b")
    await store.put("a/b", b"one")
    first = await store.version("a/b")
    assert await store.version("a/b") == first
    await store.put("a/b", b"two")
    assert await store.version("a/b") != first


async def test_copies_follow_what_is_written_anew_and_are_bounded(store: ObjectStore, tmp_path: Path) -> None:
    from vhb_shared.store import cache
    from vhb_shared.store.current import CurrentFiles

    files = CurrentFiles(store, tmp_path / "copies", max_bytes=1000)
    assert await files.get("runs/r/scores.parquet") is None
    for content in (b"first", b"again"):
        await store.put("runs/r/scores.parquet", content)
        one, other = await asyncio.gather(files.get("runs/r/scores.parquet"), files.get("runs/r/scores.parquet"))
        assert one is not None and one == other
        assert one.path.read_bytes() == content
    if store.local_path("x") is None:
        cache.IN_USE_S, before = -1.0, cache.IN_USE_S
        try:
            await store.put("big", b"x" * 2000)
            assert await files.path("big") is not None
        finally:
            cache.IN_USE_S = before
        assert sum(path.stat().st_size for path in (tmp_path / "copies").iterdir()) <= 1000
