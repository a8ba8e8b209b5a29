"""A data set looked into: from its source, or from storage."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.base import BadRow, Sample
from vhb_shared.datasets.describe import Description, describe
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.images import check_image
from vhb_shared.datasets.pin import PINNED, load_manifest, scan_located
from vhb_shared.datasets.records import SAMPLE_SCHEMA, write_parquet
from vhb_shared.datasets.sources.base import OnBytes
from vhb_shared.datasets.sources.registry import find
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


async def inspect_source(how: DatasetSource, on_bytes: OnBytes, on_rows: OnBytes) -> Description:
    """Reads a whole data set and counts; nothing is stored.

    Raises:
        UserError: it cannot be read at all. Bad rows are counted.
    """
    located = await find(how, None, on_bytes)
    with tempfile.TemporaryDirectory(prefix="vhb-inspect-") as folder:
        found = await scan_located(located, Path(folder), on_rows)
        if not found.samples:
            raise UserError(f'data set "{how.source}": every one of its rows is bad', problems=found.bad.sentences())
        samples = Path(folder) / "samples.parquet"
        await asyncio.to_thread(write_parquet, found.records, SAMPLE_SCHEMA, samples)
        return await asyncio.to_thread(
            describe,
            samples,
            digest=found.digest,
            images=found.images,
            sizes=found.sizes,
            bad_rows=found.bad.total,
            bad_first=found.bad.sentences(),
            box_format=how.box_format,
        )


async def inspect_stored(digest: str, store: ObjectStore) -> Description:
    """Counts a data set that is in storage.

    Raises:
        UserError: no such data set.
        Unavailable: storage does not answer.
    """
    manifest = await load_manifest(digest, store)
    with tempfile.TemporaryDirectory(prefix="vhb-inspect-") as folder:
        samples = Path(folder) / "samples.parquet"
        await store.get_file(layout.dataset_samples(digest), samples)
        return await asyncio.to_thread(
            describe,
            samples,
            digest=digest,
            images=manifest.images,
            sizes=manifest.sizes,
            bad_rows=manifest.dataset.skipped_rows,
            bad_first=manifest.bad_rows,
            box_format=manifest.dataset.box_format,
        )


@dataclass(frozen=True)
class Shown:
    """One sample with its images in files."""

    sample: Sample
    images: tuple[tuple[str, Path], ...]
    """(label, file)."""
    problem: str | None = None


async def first_samples(
    how: DatasetSource, limit: int, work: Path, store: ObjectStore | None, on_bytes: OnBytes
) -> list[Shown | BadRow]:
    """The first samples of a data set, and the bad rows among them.

    Args:
        how: a source; or `sha256:<digest>`, which needs a store.
        limit: of samples.
        work: an empty folder for images.
        store: object storage.
        on_bytes: called while the data set is fetched.
    """
    if how.source.startswith(PINNED) and store is not None:
        return await _stored_samples(how.source.removeprefix(PINNED), limit, work, store)
    located = await find(how, None, on_bytes)

    def read() -> list[Shown | BadRow]:
        rows: list[Shown | BadRow] = []
        good = 0
        for row in located.rows():
            rows.append(row if isinstance(row, BadRow) else _checked(row, work))
            good += isinstance(rows[-1], Shown)
            if good >= limit or len(rows) >= 2 * limit:
                break
        return rows

    return await asyncio.to_thread(read)


def _checked(sample: Sample, work: Path) -> Shown | BadRow:
    images = []
    for source in sample.images:
        try:
            image, data = check_image(source)
        except ImageProblem as problem:
            return BadRow.at(sample.origin, sample.origin.image_column, str(problem))
        file = work / image.name
        file.write_bytes(data)
        images.append((source.label, file))
    return Shown(sample, tuple(images))


async def _stored_samples(digest: str, limit: int, work: Path, store: ObjectStore) -> list[Shown | BadRow]:
    import json

    import polars as pl

    from vhb_shared.datasets.base import Origin

    shows = (await load_manifest(digest, store)).dataset.media_digest
    table = work / "samples.parquet"
    await store.get_file(layout.dataset_samples(digest), table)
    frame = pl.scan_parquet(table, schema=SAMPLE_SCHEMA, missing_columns="insert", extra_columns="ignore")
    shown: list[Shown | BadRow] = []
    for row in (await asyncio.to_thread(frame.head(limit).collect)).to_dicts():
        names = row.pop("images")
        for name in names:
            try:
                await store.get_file(layout.dataset_media(shows, name), work / name)
            except NotFound:
                raise UserError(f'data set "{PINNED}{digest}": its image {name} is not in storage') from None
        row["fields"] = json.loads(row["fields"] or "{}")
        row["references"], row["choices"] = tuple(row["references"]), tuple(row["choices"] or ())
        sample = Sample(**row, origin=Origin(PINNED + digest))
        shown.append(Shown(sample, tuple((name, work / name) for name in names)))
    return shown


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vhb-preview-") as folder:
        yield Path(folder)
