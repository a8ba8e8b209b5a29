"""What is packed in an upload counts as what is not."""

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vhb_api.submitting.problems import Refused
from vhb_api.uploads.bounds import Bounds
from vhb_api.uploads.contents import contents
from vhb_api.uploads.staging import Uploads

MIB = 1 << 20


async def sent(content: bytes) -> AsyncIterator[bytes]:
    yield content


def packed(files: dict[str, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in files.items():
            archive.writestr(name, bytes(size))
    return buffer.getvalue()


async def test_archives_take_no_more_than_all_uploads_may(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, Bounds(file=MIB, upload=10 * MIB, all=15 * MIB, files=10, hours=1))
    first, second = await uploads.make("me", "first"), await uploads.make("me", "second")
    for upload in (first, second):
        await uploads.put(upload, "all.zip", sent(packed({"zeros": 9 * MIB})))
    await contents(first, uploads)
    with pytest.raises(Refused, match="takes more than all uploads together may"):
        await contents(second, uploads)
    await uploads.remove(first)
    assert (await contents(second, uploads)).folder.joinpath("zeros").stat().st_size == 9 * MIB


async def test_archives_hold_no_more_files_than_an_upload_may(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, Bounds(file=MIB, upload=10 * MIB, all=15 * MIB, files=10, hours=1))
    upload = await uploads.make("me", "many")
    await uploads.put(upload, "all.zip", sent(packed({f"{number}": 0 for number in range(11)})))
    with pytest.raises(Refused, match="holds more than 10 files"):
        await contents(upload, uploads)
