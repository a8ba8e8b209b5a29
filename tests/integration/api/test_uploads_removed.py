"""Uploads that go away: while files come, and when nobody uses them."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from interface import Interface

from vhb_api.uploads.bounds import Bounds
from vhb_api.uploads.staging import Uploads
from vhb_api.uploads.upload import all_folders


async def test_a_file_that_comes_while_its_upload_is_removed_is_told_so(api: Interface, tmp_path: Path) -> None:
    upload_id = (await api.ask("POST", "/uploads")).json["upload_id"]
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield b"x" * (2 << 20)
        begun.set()
        await go_on.wait()
        yield b"y"

    coming = asyncio.create_task(api.ask("PUT", f"/uploads/{upload_id}/files/deep/a.bin", data=content()))
    await begun.wait()
    folder = tmp_path / "files" / "uploads" / upload_id
    async with asyncio.timeout(20):
        while not list(folder.glob("partial-*")):  # noqa: ASYNC110 - a folder tells nobody
            await asyncio.sleep(0.02)
    assert (await api.ask("DELETE", f"/uploads/{upload_id}")).status == 204
    go_on.set()
    said = await coming
    assert said.status == 404 and "it was removed" in said.json["detail"]
    assert not folder.exists()


async def test_uploads_are_swept_for_ever_whatever_goes_wrong_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_api.uploads.staging.SWEEP_S", 0.01)
    uploads = Uploads(tmp_path, Bounds(file=1 << 20, upload=1 << 20, all=1 << 20, files=10, hours=1))
    looked = 0

    def look(root: Path) -> list[tuple[Path, float | None]]:
        nonlocal looked
        looked += 1
        if looked == 1:
            raise PermissionError(13, "for once")
        return all_folders(root)

    monkeypatch.setattr("vhb_api.uploads.staging.all_folders", look)
    old = await uploads.make("somebody", "old")
    os.utime(old.root / "upload.json", (0, 0))
    sweeping = asyncio.create_task(uploads.sweeping())
    async with asyncio.timeout(20):
        while old.root.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    sweeping.cancel()


def test_folders_that_go_while_they_are_looked_at_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "goes").mkdir()
    (tmp_path / "stays").mkdir()
    stat_of = Path.stat

    def stat_(path: Path, **options: Any) -> os.stat_result:
        if path.name == "goes":
            raise FileNotFoundError(path)
        return stat_of(path, **options)

    monkeypatch.setattr(Path, "stat", stat_)
    assert [folder.name for folder, _ in all_folders(tmp_path)] == ["stays"]
