"""The code of metrics, from object storage into a folder."""

import asyncio
import shutil
import uuid
from pathlib import Path
from typing import Protocol

from vhb_evaluator.errors import EvaluationFailed
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.errors import NotFound
from vhb_shared.jobs.metric_code import STORED, unpacked
from vhb_shared.store import layout
from vhb_shared.store.cache import Damaged


class Files(Protocol):
    """Gives a local, read-only file for a key."""

    async def path(self, key: str) -> Path:
        """Raises `NotFound` for a missing object, `Unavailable` when the storage does not answer."""
        ...


class MetricCode:
    """Folders of code by their digest, each unpacked once."""

    def __init__(self, files: Files, directory: Path) -> None:
        self._files = files
        self._directory = directory

    async def folder(self, entry: MetricEntry) -> Path | None:
        """The package of an entry; None where it brings no code.

        Raises:
            EvaluationFailed: it is not in the storage, or not what its digest says.
            Unavailable: the storage does not answer.
        """
        if entry.path is None:
            return None
        digest = entry.path.removeprefix(STORED)
        if digest == entry.path or not digest.isalnum():
            raise EvaluationFailed(f"the code of metric {entry.name!r} was not stored with the job: submit it with vhb")
        target = self._directory / digest
        try:
            if not await asyncio.to_thread(target.is_dir):
                archive = await self._files.path(layout.metric_code(digest))
                await asyncio.to_thread(_unpack, archive, digest, target)
            return await asyncio.to_thread(lambda: next(target.iterdir()))
        except NotFound as error:
            raise EvaluationFailed(
                f"the code of metric {entry.name!r} is missing from the storage: run it again"
            ) from error
        except (ValueError, Damaged) as error:
            raise EvaluationFailed(
                f"the code of metric {entry.name!r} is damaged: {error}; run the job again"
            ) from error


def _unpack(archive: Path, digest: str, target: Path) -> None:
    partial = target.with_name(f"{digest}.{uuid.uuid4().hex[:8]}")
    partial.mkdir(parents=True)
    try:
        unpacked(archive.read_bytes(), digest, partial)
        if not target.exists():
            partial.rename(target)
    except OSError:
        if not target.is_dir():  # else another evaluator of this host was first
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
