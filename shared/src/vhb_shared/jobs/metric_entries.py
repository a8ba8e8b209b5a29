"""Metric entries of a job: whether their files are there, and how they travel."""

import asyncio
import hashlib
from pathlib import Path

from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.errors import UserError
from vhb_shared.jobs.metric_code import STORED, packed
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


async def bundled_entry(entry: MetricEntry, base: Path | None, store: ObjectStore) -> MetricEntry:
    """The entry without files: its code in object storage, its lock as text.

    Args:
        entry: of the registry or of a job.
        base: where its relative paths start.
        store: where code goes.

    Raises:
        UserError: a file is missing.
        Unavailable: storage does not answer.
    """
    contained, code = await asyncio.to_thread(contained_entry, entry, base)
    if code is not None:
        await store.put(layout.metric_code((contained.path or "").removeprefix(STORED)), code)
    return contained


def contained_entry(entry: MetricEntry, base: Path | None) -> tuple[MetricEntry, bytes | None]:
    """The entry without files, whose version is the one that scores say, and its code where that is not stored yet.

    Args:
        entry: as in `bundled_entry`.
        base: where its relative paths start.

    Raises:
        UserError: a file is missing.
    """
    changes: dict[str, str] = {}
    code = None
    if entry.path is not None and not entry.path.startswith(STORED):
        code = packed(_at(entry.path, base), f"metric {entry.name!r}")
        changes["path"] = f"{STORED}{hashlib.sha256(code).hexdigest()}"
    if entry.lock is not None and not _is_content(entry.lock):
        changes["lock"] = _read_lock(entry, base)
    return entry.model_copy(update=changes), code


def check_files(entry: MetricEntry) -> None:
    """Whether the files that an entry names by full paths are there and fit; where others lie is not known here.

    Raises:
        UserError: one is missing, or too large.
    """
    if entry.path is not None and Path(entry.path).is_absolute():
        packed(Path(entry.path), f"metric {entry.name!r}")
    if entry.lock is not None and not _is_content(entry.lock) and Path(entry.lock).is_absolute():
        _read_lock(entry, None)


def _at(named: str, base: Path | None) -> Path:
    return (base or Path()) / Path(named).expanduser()


def _is_content(lock: str) -> bool:
    return "\n" in lock or "--hash" in lock


def _read_lock(entry: MetricEntry, base: Path | None) -> str:
    path = _at(entry.lock or "", base)
    try:
        return path.read_text(encoding="utf-8") + "\n"
    except (OSError, ValueError) as error:
        raise UserError(f"metric {entry.name!r}: `lock` names {str(path)!r}, which cannot be read: {error}.") from error
