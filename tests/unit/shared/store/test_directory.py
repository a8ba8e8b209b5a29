"""What only a directory store does: durability, disks that fill up, leftovers."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store.directory import DirectoryStore


def killed_in_a_put(root: Path) -> None:
    """Kills a process between writing the temporary file and giving it its name."""
    script = (
        "import asyncio, os, sys, pathlib\n"
        "from vhb_shared.store.directory import DirectoryStore\n"
        "os.fsync = lambda fd: os.kill(os.getpid(), 9)\n"
        "asyncio.run(DirectoryStore(pathlib.Path(sys.argv[1])).put('runs/a', b'x' * 100))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(root)], check=False)
    assert ended.returncode == -9


async def test_kill_in_the_middle_of_a_put_leaves_no_object(tmp_path: Path) -> None:
    killed_in_a_put(tmp_path)
    store = DirectoryStore(tmp_path)
    assert len(list((tmp_path / ".tmp").iterdir())) == 1
    assert [info async for info in store.list("")] == []
    assert not await store.exists("runs/a")


async def test_leftovers_are_removed_after_a_day(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await store.check()
    old, young = tmp_path / ".tmp" / "old", tmp_path / ".tmp" / "young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (time.time() - 90_000,) * 2)
    await store.check()
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_full_or_broken_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    store = DirectoryStore(tmp_path)
    await store.put("old", b"kept")

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(Unavailable, match="has to wait") as caught:
            await store.put("new", b"x")
        assert str(tmp_path) in str(caught.value)
    assert [info.key async for info in store.list("")] == ["old"]
    assert list((tmp_path / ".tmp").iterdir()) == []
    await store.put("new", b"x")


async def test_a_vanished_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    await store.put("key", b"x")
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="mounted"):
        await store.get("key")


async def test_a_file_as_folder_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="VHB_STORE_DIR"):
        await DirectoryStore(tmp_path / "file").check()


async def test_names_reach_the_disk_with_the_object_that_makes_them_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr("vhb_shared.store.directory.sync_directory", lambda path: synced.append(path.name))
    store = DirectoryStore(tmp_path / "root")
    for number in range(10):
        await store.put(f"datasets/d/media/{number}", b"x")
    assert synced == []
    await store.put("datasets/d/manifest.json", b"{}")
    assert sorted(synced) == ["d", "datasets", "media", "root"]


async def test_local_path_is_the_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await store.put("a/b", b"x")
    path = store.local_path("a/b")
    assert path is not None
    assert path.read_bytes() == b"x"


async def test_a_thousand_small_objects(tmp_path: Path) -> None:
    """The time is the bench's; here only that files are small work: one synchronisation each, no more."""
    store = DirectoryStore(tmp_path)
    started = time.perf_counter()
    for number in range(1000):
        await store.put(f"datasets/d/media/{number}", b"x" * 5000)
    assert len([info async for info in store.list("datasets/d/media/")]) == 1000
    assert time.perf_counter() - started < 20
