"""What an upload holds: a job file, data sets."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from vhb_api.submitting.problems import Problem, Refused
from vhb_api.uploads.bounds import Bounds, said
from vhb_api.uploads.staging import Uploads
from vhb_api.uploads.upload import UNPACKED, Upload
from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.base import BadRow
from vhb_shared.datasets.folder import ANNOTATION
from vhb_shared.datasets.images import IMAGE_SUFFIXES
from vhb_shared.datasets.pages import PDF_SUFFIX
from vhb_shared.datasets.parquet import holds_parquet
from vhb_shared.datasets.registry import locate
from vhb_shared.datasets.sources.archive import Refusal, is_archive, unpack, unpacked_name, visible
from vhb_shared.errors import UserError
from vhb_shared.store.local import disk_errors

JOB_FILES = ("job.yaml", "job.yml", "job.json", "user_config.csv")
_DOCUMENTS = (".yaml", ".yml")
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".pdf", ".tif", ".tiff")
_IMAGES_ALONE = ("images",)
_MOST_LOOKED_AT = 200
_DEEPEST = 5


@dataclass(frozen=True)
class Contents:
    """What paths in a job start at, and the job file there."""

    folder: Path
    job: Path | None


@dataclass(frozen=True)
class FoundData:
    """Something in an upload that is a data set by itself."""

    source: str
    """What a job would name as `dataset`."""
    reader: str | None
    """Who reads it; None for archives, which are looked into when they are read."""
    columns: tuple[str, ...] = ()
    """Of ours, those that its first row fills."""


async def contents(upload: Upload, uploads: Uploads) -> Contents:
    """Where an upload's files start: where it holds one folder or one archive and nothing else, inside that.

    Raises:
        Refused: the archive is damaged, too big, or holds what is not taken.
        Unavailable: the disk is full.
    """
    async with upload.unpacking:
        return await asyncio.to_thread(_contents, upload, uploads.bounds, uploads.room())


def _contents(upload: Upload, bounds: Bounds, room: int) -> Contents:
    folder = upload.folder
    for _ in range(_DEEPEST):
        inside = visible(folder)
        if len(inside) != 1:
            break
        if inside[0].is_dir():
            folder = inside[0]
        elif is_archive(inside[0]):
            folder = _unpacked(upload, inside[0], bounds, room)
        else:
            break
    return Contents(folder, _job_file(folder))


def _job_file(folder: Path) -> Path | None:
    for name in JOB_FILES:
        if (folder / name).is_file():
            return folder / name
    documents = [path for path in visible(folder) if path.suffix.lower() in _DOCUMENTS]
    return documents[0] if len(documents) == 1 else None


def _unpacked(upload: Upload, archive: Path, bounds: Bounds, room: int) -> Path:
    state = archive.stat()
    key = hashlib.sha256(f"{archive.name}/{state.st_size}/{state.st_mtime_ns}".encode()).hexdigest()[:32]
    folder = upload.root / UNPACKED / key / unpacked_name(archive.name)
    if not folder.is_dir():
        own = bounds.upload - upload.bytes
        bound = f"an upload may ({said(bounds.upload)}, the archive itself included)"
        if room < own:
            bound = f"all uploads together may ({said(bounds.all)}): remove one, or come later"
        most = max(min(own, room), 0)
        try:
            with disk_errors(f"unpacking {archive.name}"):
                unpack(archive, folder, Refusal(archive.name, bound), most, bounds.files)
        except UserError as error:
            raise Refused([Problem(message=str(error))]) from None
        upload.bytes += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return folder


def data_sets(found: Contents) -> list[FoundData]:
    """What in the upload can be read as a data set: the folder itself, folders in it, tables and archives; those that
    say more than which images there are come first. Blocks."""
    folder = found.folder
    if (folder / ANNOTATION).exists() or holds_parquet(folder):
        whole = _readable(folder, ".")
        return [whole] if whole is not None else []
    inside = [path for path in sorted(visible(folder))[:_MOST_LOOKED_AT] if path != found.job]
    sets = []
    for path in inside:
        if is_archive(path):
            sets.append(FoundData(path.name, None))
        elif path.is_dir() or path.suffix.lower() in _TABLES:
            readable = _readable(folder, path.name)
            sets += [readable] if readable is not None else []
    labelled = [each for each in sets if each.columns != _IMAGES_ALONE]
    if labelled:
        return labelled + [each for each in sets if each not in labelled]
    loose = any(path.is_file() and path.suffix.lower() in (*IMAGE_SUFFIXES, PDF_SUFFIX) for path in inside)
    whole = _readable(folder, ".") if loose else None
    return [whole] if whole is not None else sets


def _readable(base: Path, source: str) -> FoundData | None:
    try:
        located = locate(DatasetSource(source=source), base)
        first = next(iter(located.rows()), None)
    except (UserError, OSError):
        return None
    if first is None or isinstance(first, BadRow):
        return None
    columns = ("images", "question", "references", "doc_class", "question_type", "choices")
    return FoundData(source, located.reader.name, tuple(name for name in columns if getattr(first, name)))
