"""Pinning: a data set's content goes to object storage under its digest, once, and is named by it from then on."""

import asyncio
import errno
import hashlib
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.dataset import Corruption, DatasetSource
from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.datasets.images import ImageTotals
from vhb_shared.datasets.records import SAMPLE_SCHEMA, write_parquet
from vhb_shared.datasets.registry import Located
from vhb_shared.datasets.scan import BadRows, Scan, scan
from vhb_shared.datasets.sources.base import OnBytes
from vhb_shared.datasets.sources.registry import find
from vhb_shared.errors import NotFound, Unavailable, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

FORMAT_VERSION = 2
PINNED = "sha256:"
_UPLOADS = 16
"""Images in flight; each is held in memory while it is written."""


class Derivation(WireModel):
    """How a data set was made of another one."""

    of: str
    """The other one's digest."""
    corruption: Corruption


class Manifest(WireModel):
    """datasets/<digest>/manifest.json: written last; with it the data set is complete."""

    format_version: int = FORMAT_VERSION
    dataset: DatasetRef
    images: int
    """Different images."""
    sizes: ImageTotals | None = None
    """None where an earlier version stored it."""
    bad_rows: tuple[str, ...] = ()
    """The first of the rows left out."""
    how: DatasetSource | None = None
    """How it was read, where that was more than the source."""
    derived: Derivation | None = None
    """What it was made of, where it is no data set of its own."""


async def pin_dataset(
    source: str | DatasetSource,
    base_dir: Path | None,
    store: ObjectStore,
    *,
    skip_bad_rows: bool = False,
    most_rows: int | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
    on_bytes: OnBytes | None = None,
) -> DatasetRef:
    """Reads, verifies and stores a data set. Doing it twice stores it once.

    The digest covers the samples in order with their ids and the content of their images; no file name and no path.

    Args:
        source: folder, file or address, with how it is to be read; or `sha256:<digest>` of one in storage already.
        base_dir: where relative paths start.
        store: where to.
        skip_bad_rows: leave bad rows out (they keep their numbers) instead of refusing.
        most_rows: read no more than that: another data set, for whoever wants a look at it.
        on_bytes: called in the event loop while a data set is fetched from elsewhere.
        on_progress: called in the event loop with (done, total): rows read (total unknown, None), then images stored.

    Raises:
        UserError: nothing there, unreadable, empty, or bad rows (the first 20 in `problems`).
        Unavailable: storage does not answer.
    """
    how = DatasetSource(source=source) if isinstance(source, str) else source
    if how.source.startswith(PINNED):
        return await load_pinned(how.source.removeprefix(PINNED).strip(), store)
    located = (await find(how, base_dir, on_bytes))._replace(most=most_rows)
    how = located.reader.how
    with tempfile.TemporaryDirectory(prefix="vhb-pin-") as folder:
        found = await scan_located(located, Path(folder), on_progress)
        _judge(how.source, found, skip_bad_rows)
        ref = DatasetRef(
            digest=found.digest,
            name=located.name,
            source=how.source,
            samples=found.samples,
            skipped_rows=found.bad.total,
            box_format=how.box_format,
        )
        if not await store.exists(layout.dataset_manifest(found.digest)):
            await store_scanned(ref, found, how, Path(folder), store, on_progress)
        return ref


async def load_pinned(digest: str, store: ObjectStore) -> DatasetRef:
    """A data set that is in storage already.

    Raises:
        UserError: no such data set.
        Unavailable: storage does not answer.
    """
    return (await load_manifest(digest, store)).dataset


async def load_manifest(digest: str, store: ObjectStore) -> Manifest:
    """The manifest of a data set in storage.

    Raises:
        UserError: no such data set, or one of a newer version.
        Unavailable: storage does not answer.
    """
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise UserError(f'data set "{PINNED}{digest}": expected {PINNED} and 64 hexadecimal digits')
    try:
        manifest = Manifest.model_validate_json(await store.get(layout.dataset_manifest(digest)))
    except NotFound:
        raise UserError(f'data set "{PINNED}{digest}" is not in storage; name its folder or file instead') from None
    except ValidationError as error:
        raise UserError(f'data set "{PINNED}{digest}": its manifest is damaged; pin it again') from error
    if manifest.format_version > FORMAT_VERSION:
        raise UserError(f'data set "{PINNED}{digest}" was stored by a newer version; upgrade, or pin it again')
    return manifest


async def scan_located(
    located: Located, work: Path, on_progress: Callable[[int, int | None], None] | None = None
) -> Scan:
    """Reads and checks a data set without storing it. Ends soon when it is cancelled.

    Args:
        located: from `sources.registry.find`.
        work: an empty folder.
        on_progress: called in the event loop with (rows read, None).

    Raises:
        UserError: the data set as a whole cannot be read, or is empty.
        Unavailable: the working folder's disk is full.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def rows_read(count: int) -> None:
        if on_progress is not None:
            loop.call_soon_threadsafe(on_progress, count, None)

    def work_through() -> Scan:
        try:
            boxes = located.reader.how.box_format
            return scan(located.rows(), work, stop=stop, on_rows=rows_read, box_format=boxes)
        except UserError as error:
            message = str(error)
            if located.source not in message:
                message = f'data set "{located.source}": {message}'
                raise UserError(message, (message, *error.problems[1:])) from error
            raise
        except InterruptedError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(f"no space left in the temporary folder {work.parent}: free some") from error
            what = f"{error.strerror}: {error.filename}"
            raise UserError(f'data set "{located.source}": cannot be read ({what}); check the path') from error

    task = asyncio.ensure_future(asyncio.to_thread(work_through))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # The thread writes into the working folder: it must end before that is removed.
        stop.set()
        await asyncio.wait([task])
        raise


def _judge(source: str, found: Scan, skip_bad_rows: bool) -> None:
    bad: BadRows = found.bad
    if bad.total and not skip_bad_rows:
        if bad.total == 1:
            message = f'data set "{source}": {bad.first[0]}; mend it, or leave bad rows out with --skip-bad-rows'
        else:
            message = (
                f'data set "{source}": {bad.total} bad rows of {bad.total + found.samples}; mend them, or leave them '
                "out with --skip-bad-rows"
            )
        raise UserError(message, problems=bad.sentences())
    if not found.samples:
        raise UserError(
            f'data set "{source}": every one of its {bad.total} rows is bad',
            problems=bad.sentences(),
        )


async def store_scanned(
    ref: DatasetRef,
    found: Scan,
    how: DatasetSource,
    work: Path,
    store: ObjectStore,
    on_progress: Callable[[int, int | None], None] | None = None,
    derived: Derivation | None = None,
) -> None:
    """Writes what a scan found: images, samples, the manifest last."""
    await _store_media(ref.digest, found, store, on_progress)
    samples = work / "samples.parquet"
    await asyncio.to_thread(write_parquet, found.records, SAMPLE_SCHEMA, samples)
    await store.put_file(layout.dataset_samples(ref.digest), samples)
    manifest = Manifest(
        dataset=ref,
        images=found.images,
        sizes=found.sizes,
        bad_rows=found.bad.sentences(),
        how=how if how.model_fields_set - {"source"} else None,
        derived=derived,
    )
    await store.put(layout.dataset_manifest(ref.digest), manifest.model_dump_json(indent=1).encode())


async def _store_media(
    digest: str, found: Scan, store: ObjectStore, on_progress: Callable[[int, int | None], None] | None
) -> None:
    prefix = layout.dataset_media(digest, "")
    present = {layout.file_name(info.key) async for info in store.list(prefix)}  # of a pinning that was interrupted
    done = 0

    async def worker(lines: Iterator[str]) -> None:
        nonlocal done
        for line in lines:  # shared by all workers; only ever advanced in the event loop
            name, file = json.loads(line)
            if name not in present:
                data = await asyncio.to_thread(_unchanged, name, Path(file))
                await store.put(layout.dataset_media(digest, name), data)
            done += 1
            if on_progress is not None:
                on_progress(done, found.images)

    with found.media.open(encoding="utf-8") as media:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_UPLOADS):
                    group.create_task(worker(media))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None  # callers tell errors apart by type; the others are the same


def _unchanged(name: str, file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: was removed while the data set was read ({error.strerror}); run again") from error
    if hashlib.sha256(data).hexdigest() != name.partition(".")[0]:
        raise UserError(f"{file}: was changed while the data set was read; run again")
    return data
