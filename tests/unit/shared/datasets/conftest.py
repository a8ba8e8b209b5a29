"""An object storage in memory, and data set folders drawn on the spot."""

import asyncio
import csv
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from vhb_shared.errors import NotFound, Unavailable
from vhb_shared.store.base import ObjectInfo, ObjectStore

HEADER = ("data_index", "split", "image_path", "question", "answer", "doc_class", "question_type", "answer_bbox")


class MemoryStore(ObjectStore):
    """Keeps objects in a dictionary and the order in which they were written."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: list[str] = []
        self.fail_on: str | None = None

    async def check(self) -> None:
        return None

    async def put(self, key: str, data: bytes) -> None:
        if self.fail_on is not None and self.fail_on in key:
            raise Unavailable("disk full")
        self.objects[key] = data
        self.written.append(key)

    async def put_file(self, key: str, path: Path) -> None:
        await self.put(key, await asyncio.to_thread(path.read_bytes))

    async def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFound(key)
        return self.objects[key]

    async def get_file(self, key: str, path: Path) -> None:
        data = await self.get(key)
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(path.write_bytes, data)

    async def exists(self, key: str) -> bool:
        return key in self.objects

    async def version(self, key: str) -> str:
        await self.get(key)
        return str(self.written.count(key))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(self.objects[key]))

    async def delete(self, key: str) -> None:
        self.objects.pop(key, None)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


FolderMaker = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> FolderMaker:
    """Writes a data set folder as the earlier tool did: `;`, BOM, images beside the table."""

    def make(
        rows: Sequence[Sequence[str]],
        *,
        name: str = "demo_mini",
        header: Sequence[str] = HEADER,
        delimiter: str = ";",
        images: Sequence[str] = ("images/0.png", "images/1.png"),
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for number, image in enumerate(images):
            draw(folder / image, number)
        with (folder / "annotation.csv").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(header)
            writer.writerows(rows)
        return folder

    return make


def draw(path: Path, number: int, size: tuple[int, int] = (8, 8)) -> None:
    """A small image whose colour depends on the number; the format follows the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (number % 256, number // 256 % 256, 7)).save(path)
