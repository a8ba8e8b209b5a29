"""Data sets made of others: the samples of a task with images made worse, stored as any other data set."""

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from vhb_shared.contracts.dataset import Corruption, DatasetSource
from vhb_shared.contracts.job import Filter
from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.datasets.base import BadRow, DatasetReader, ImageSource, Origin, Sample
from vhb_shared.datasets.corruptions import corrupt, software
from vhb_shared.datasets.pin import PINNED, Derivation, load_pinned, scan_located, store_scanned
from vhb_shared.datasets.registry import Located
from vhb_shared.datasets.selection import select_samples
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

_ROWS = 64


async def corrupted_dataset(
    digest: str, corruption: Corruption, where: Filter, limit: int | None, store: ObjectStore
) -> DatasetRef:
    """The selected samples of a stored data set with their images made worse. Made once; ids and everything but the
    images stay.

    Args:
        digest: of the data set.
        corruption: what is done to every image.
        where: which samples a task uses.
        limit: how many of them; None for all.
        store: holds the data set, and the result.

    Raises:
        UserError: no such data set, no sample left, or an image that cannot be changed.
        Unavailable: storage does not answer.
    """
    base = await load_pinned(digest, store)
    wanted = [software(), digest, corruption.model_dump(), where.model_dump(), limit]
    key = layout.dataset_derived(digest, hashlib.sha256(json.dumps(wanted).encode()).hexdigest())
    try:
        made = json.loads(await store.get(key))["digest"]
        return await load_pinned(made, store)
    except (NotFound, UserError):
        pass  # not made yet, or removed since
    with tempfile.TemporaryDirectory(prefix="vhb-derive-") as folder:
        samples = Path(folder) / "samples.parquet"
        await store.get_file(layout.dataset_samples(digest), samples)
        rows = select_samples(samples, where, limit)
        reader = _Corrupted(digest, rows, corruption, store, Path(folder), asyncio.get_running_loop())
        name = f"{base.name}~{corruption.label}"
        work = Path(folder) / "scan"
        work.mkdir()
        found = await scan_located(Located(base.source, None, reader, name), work)
        if found.bad.total:
            raise UserError(f"data set {name!r}: {found.bad.first[0]}", found.bad.sentences())
        ref = base.model_copy(
            update={"digest": found.digest, "name": name, "samples": found.samples, "skipped_rows": 0}
        )
        if not await store.exists(layout.dataset_manifest(found.digest)):
            derived = Derivation(of=digest, corruption=corruption)
            await store_scanned(ref, found, DatasetSource(source=base.source), work, store, derived=derived)
        await store.put(key, json.dumps({"digest": found.digest, "recipe": wanted}).encode())
        return ref


class _Corrupted(DatasetReader):
    """Reads a stored data set; each different image is changed once, several at a time."""

    name = "corrupted"
    describe = "made by vhb"

    def __init__(
        self,
        digest: str,
        rows: pl.LazyFrame,
        corruption: Corruption,
        store: ObjectStore,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__()
        self._digest = digest
        self._rows = rows
        self._corruption = corruption
        self._store = store
        self._folder = folder / "images"
        self._loop = loop

    def accepts(self, source: str, path: Path | None) -> bool:
        return False

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        self._folder.mkdir()
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="corrupt") as pool:
            batches = self._rows.collect_batches(chunk_size=_ROWS, maintain_order=True, lazy=True, engine="streaming")
            for batch in batches:
                rows = batch.to_dicts()
                names = dict.fromkeys(name for row in rows for name in row["images"])
                problems = dict(zip(names, pool.map(self._change, names), strict=True))
                for row in rows:
                    yield self._sample(row, problems)

    def _change(self, name: str) -> str | None:
        """Writes the changed image; what is wrong with it, if anything."""
        target = self._folder / name
        if target.exists():
            return None
        key = layout.dataset_media(self._digest, name)
        data = asyncio.run_coroutine_threadsafe(self._store.get(key), self._loop).result()
        try:
            target.write_bytes(corrupt(data, self._corruption))
        except (OSError, ValueError, SyntaxError) as error:
            target.unlink(missing_ok=True)
            return f"expected an image that can be changed, {name} cannot ({error})"
        return None

    def _sample(self, row: dict[str, Any], problems: dict[str, str | None]) -> Sample | BadRow:
        origin = Origin(f"{PINNED}{self._digest}", row["index"] + 1, "images", "row")
        names = row.pop("images")
        for name in names:
            if (problem := problems[name]) is not None:
                return BadRow.at(origin, "images", problem)
        images = tuple(ImageSource(path=self._folder / name, label=name) for name in names)
        for column in ("references", "choices"):
            row[column] = tuple(row[column] or ())
        row["fields"] = json.loads(row["fields"] or "{}")
        return Sample(**row, images=images, origin=origin)
