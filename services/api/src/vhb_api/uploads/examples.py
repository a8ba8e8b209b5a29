"""Jobs with their data to begin with: folders of `vhb_api/examples`, copied into an upload when they are asked for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from vhb_api.uploads.staging import Uploads
from vhb_api.uploads.upload import Upload
from vhb_shared.errors import NotFound

_EXAMPLES = Path(__file__).parents[1] / "examples"


def example_names() -> list[str]:
    """What there is. Blocks."""
    return sorted(folder.name for folder in _EXAMPLES.iterdir() if folder.is_dir())


def example_files(name: str) -> list[Path]:
    """The files of an example. Blocks.

    Raises:
        NotFound: there is none.
    """
    if name not in example_names():
        raise NotFound(f"example {name!r}")
    return sorted(path for path in (_EXAMPLES / name).rglob("*") if path.is_file())


async def fill(uploads: Uploads, upload: Upload, name: str, files: list[Path]) -> None:
    """Puts an example's files into an upload.

    Raises:
        TooMuch, Unavailable: as `Uploads.put`.
    """
    for path in files:
        await uploads.put(upload, path.relative_to(_EXAMPLES / name).as_posix(), _content(path))


async def _content(path: Path) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(path.read_bytes)
