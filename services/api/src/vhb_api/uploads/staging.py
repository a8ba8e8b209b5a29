"""Uploads on disk: made, filled, listed, removed, and gone a day after their last use."""

import asyncio
import json
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from vhb_api.submitting.problems import Problem, Refused
from vhb_api.uploads.bounds import Bounds, TooMuch, said
from vhb_api.uploads.names import relative_path
from vhb_api.uploads.upload import ABOUT, Upload, all_folders, read_upload, slug
from vhb_shared.errors import Conflict, NotFound
from vhb_shared.store.local import disk_errors

log = structlog.get_logger(__name__)

SWEEP_S = 600.0
MOST = 10_000
"""Uploads at a time."""
_BUFFER = 1 << 20
_ID = re.compile(r"[0-9a-f]{32}")


class Uploads:
    """All uploads of one folder.

    Args:
        root: the folder.
        bounds: how much they may hold.
    """

    def __init__(self, root: Path, bounds: Bounds) -> None:
        self._root = root
        self.bounds = bounds
        self._known: dict[str, Upload] = {}

    async def make(self, owner: str, name: str) -> Upload:
        """An empty one.

        Raises:
            TooMuch: there are too many.
            Unavailable: the disk is full.
        """
        if len(self._known) >= MOST:
            raise TooMuch(f"There are {MOST:,} uploads, as many as can be: remove one, or come later.")
        upload = Upload(secrets.token_hex(16), owner, slug(name), datetime.now(UTC), Path())
        upload.root = self._root / upload.upload_id
        about = {"owner": owner, "name": upload.name, "made_at": upload.made_at.isoformat()}

        def write() -> None:
            with disk_errors("making an upload"):
                upload.folder.mkdir(parents=True, mode=0o700)
                (upload.root / ABOUT).write_text(json.dumps(about))

        await asyncio.to_thread(write)
        self._known[upload.upload_id] = upload
        return upload

    async def find(self, upload_id: str, owner: str) -> Upload:
        """One's own upload.

        Raises:
            NotFound: there is none, or it is another's.
        """
        upload = self._known.get(upload_id)
        if upload is None and _ID.fullmatch(upload_id):
            upload = await asyncio.to_thread(read_upload, self._root / upload_id)
            if upload is not None:
                upload = self._known.setdefault(upload_id, upload)
        if upload is None or upload.owner != owner:
            raise self._gone(upload_id)
        upload.touch()
        return upload

    def _gone(self, upload_id: str) -> NotFound:
        return NotFound(f"upload {upload_id}: it was removed, or nobody used it for {self.bounds.hours:g} hours")

    async def put(self, upload: Upload, name: str, content: AsyncIterable[bytes]) -> int:
        """Writes a file, whole or not at all. Returns its size.

        Raises:
            Refused: its name cannot be.
            TooMuch: of it, of the upload, or of all uploads.
            Conflict: a file is where a folder is needed, or the other way round.
            NotFound: the upload was removed meanwhile.
            Unavailable: the disk is full.
        """
        path = upload.folder / relative_path(name)
        if name not in upload.sizes and len(upload.sizes) >= self.bounds.files:
            raise TooMuch(f"An upload may have {self.bounds.files:,} files at most; pack them into one archive.")
        partial = upload.root / f"partial-{secrets.token_hex(8)}"
        size, before = 0, upload.sizes.get(name, 0)
        try:
            with disk_errors("writing an upload"):
                file = await asyncio.to_thread(partial.open, "wb")
                try:
                    buffer = bytearray()
                    async for chunk in content:
                        # Counted before it is written: other files come at the same time.
                        size += len(chunk)
                        upload.bytes += len(chunk)
                        self._check(upload, name, size, before)
                        buffer += chunk
                        if len(buffer) >= _BUFFER:
                            await asyncio.to_thread(file.write, bytes(buffer))
                            buffer.clear()
                    await asyncio.to_thread(file.write, bytes(buffer))
                finally:
                    await asyncio.to_thread(file.close)
                await asyncio.to_thread(_move, partial, path, name)
        except BaseException as error:
            upload.bytes -= size
            await asyncio.shield(asyncio.to_thread(partial.unlink, True))
            if isinstance(error, FileNotFoundError):  # the upload was removed while the file came
                raise self._gone(upload.upload_id) from None
            raise
        upload.bytes -= upload.sizes.get(name, 0)
        upload.sizes[name] = size
        upload.touch()
        return size

    def _check(self, upload: Upload, name: str, size: int, before: int) -> None:
        bounds = self.bounds
        if size > bounds.file:
            raise TooMuch(f"The file {name[:200]!r} is larger than {said(bounds.file)}, the bound of one file.")
        if upload.bytes - before > bounds.upload:
            raise TooMuch(f"The upload is larger than {said(bounds.upload)}; hand the job in with `vhb submit`.")
        if self.room() + before < 0:
            raise TooMuch(
                f"All uploads together take {said(bounds.all)}, the bound of this service: remove one, or come later."
            )

    def room(self) -> int:
        """Bytes that all uploads may still take."""
        return self.bounds.all - sum(each.bytes for each in self._known.values())

    async def remove_file(self, upload: Upload, name: str) -> None:
        """Removes one file.

        Raises:
            NotFound: there is none.
            Conflict: it is being read.
        """
        path = upload.folder / relative_path(name)
        if name not in upload.sizes:
            raise NotFound(f"file {name!r} in this upload")
        _check_unread(upload)
        await asyncio.to_thread(path.unlink, True)
        upload.bytes -= upload.sizes.pop(name)

    async def remove(self, upload: Upload) -> None:
        """Removes it with its files.

        Raises:
            Conflict: it is being read.
        """
        _check_unread(upload)
        self._known.pop(upload.upload_id, None)
        await asyncio.to_thread(shutil.rmtree, upload.root, True)

    async def sweep(self) -> None:
        """Removes what nobody used for too long, and what is left of a process that died."""
        for root, used in await asyncio.to_thread(all_folders, self._root):
            known = self._known.get(root.name)
            if used is not None and (time.time() - used < self.bounds.hours * 3600 or (known and known.readers)):
                if known is None and (found := await asyncio.to_thread(read_upload, root)) is not None:
                    self._known.setdefault(root.name, found)  # so that it counts
                continue
            self._known.pop(root.name, None)
            await asyncio.to_thread(shutil.rmtree, root, True)
            log.info("upload_removed", upload_id=root.name)

    async def sweeping(self) -> None:
        """Sweeps again and again."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self.sweep()
            except OSError:
                log.exception("uploads_not_swept")


def _check_unread(upload: Upload) -> None:
    if upload.readers:
        raise Conflict("a job that is being handed in reads this upload: wait until it is through")


def _move(partial: Path, path: Path, name: str) -> None:
    partial.stat()  # else folders of an upload that is gone would be made anew
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(path)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        problem = f"{name[:200]!r} cannot be a file and a folder: remove the one that is there first."
        raise Refused([Problem(message=problem)]) from None
