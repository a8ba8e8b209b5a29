"""Previews that are asked for faster than they are made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from vhb_api.previewing.kept import MOST_WAITING, Previews
from vhb_api.previewing.preview import Wanted
from vhb_api.submitting.submitter import Busy, Handed, Wishes
from vhb_shared.store.directory import DirectoryStore


class Slow:
    """Reads for ever."""

    @asynccontextmanager
    async def read(self, handed: Handed, wishes: Wishes) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield


async def test_no_more_wait_than_there_is_room_for(tmp_path: Path) -> None:
    previews = Previews(tmp_path / "previews", Slow(), DirectoryStore(tmp_path / "store"))  # type: ignore[arg-type]

    def make() -> "asyncio.Task[object]":
        return asyncio.create_task(previews.make(Handed(b"", "yaml"), Wishes(), Wanted(), "me"))

    waiting = [make() for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await make()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    again = make()
    await asyncio.sleep(0)
    assert not again.done(), "those that went away made room"
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
