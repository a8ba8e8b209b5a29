"""Data sets in storage, looked into."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from vhb_shared.datasets.describe import Description, describe
from vhb_shared.datasets.pin import Manifest, load_manifest
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import Damaged, ObjectCache

T = TypeVar("T")
_KNOWN = 500
"""Manifests and descriptions that are remembered; they never change."""


class StoredDatasets:
    """Reads data sets that are in storage.

    Args:
        store: object storage.
        cache: local copies.
    """

    def __init__(self, store: ObjectStore, cache: ObjectCache) -> None:
        self._store = store
        self._cache = cache
        self._manifests: OrderedDict[str, Manifest] = OrderedDict()
        self._descriptions: OrderedDict[str, Description] = OrderedDict()

    async def manifest(self, digest: str) -> Manifest:
        """What is known of a data set.

        Raises:
            NotFound: there is none.
            Unavailable: storage does not answer.
        """
        known = self._manifests.get(digest)
        if known is None:
            try:
                known = await load_manifest(digest, self._store)
            except UserError:
                raise NotFound(f"data set sha256:{digest} in storage") from None
            _remember(self._manifests, digest, known)
        return known

    async def description(self, digest: str) -> Description:
        """Its counts.

        Raises:
            NotFound, Unavailable: as `manifest`.
        """
        known = self._descriptions.get(digest)
        if known is None:
            manifest, samples = await self.manifest(digest), await self._samples(digest)
            known = await asyncio.to_thread(
                describe,
                samples,
                digest=digest,
                images=manifest.images,
                sizes=manifest.sizes,
                bad_rows=manifest.dataset.skipped_rows,
                bad_first=manifest.bad_rows,
                box_format=manifest.dataset.box_format,
            )
            _remember(self._descriptions, digest, known)
        return known

    async def samples(self, digest: str, after: int, limit: int, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Samples in data set order.

        Args:
            digest: of the data set.
            after: the `index` that comes before the first; -1 for the beginning.
            limit: how many.
            ids: these only; empty for all.

        Raises:
            NotFound, Unavailable: as `manifest`.
        """
        await self.manifest(digest)
        return await asyncio.to_thread(_page, await self._samples(digest), after, limit, ids)

    async def image(self, digest: str, name: str) -> Path:
        """A local copy of an image; open it soon.

        Raises:
            NotFound, Unavailable: as `manifest`; or the data set has no such image.
        """
        shows = (await self.manifest(digest)).dataset.media_digest
        try:
            return await self._cache.path(layout.dataset_media(shows, name))
        except (NotFound, Damaged):
            raise NotFound(f"image {name} in data set sha256:{digest}") from None

    async def _samples(self, digest: str) -> Path:
        try:
            return await self._cache.path(layout.dataset_samples(digest))
        except (NotFound, Damaged):
            raise NotFound(f"data set sha256:{digest} in storage") from None


def _page(samples: Path, after: int, limit: int, ids: Sequence[str]) -> list[dict[str, Any]]:
    frame = pl.scan_parquet(samples, schema=SAMPLE_SCHEMA, missing_columns="insert", extra_columns="ignore")
    if ids:
        frame = frame.filter(pl.col("id").is_in(list(ids)))
    if after >= 0:
        frame = frame.filter(pl.col("index") > after)
    rows = frame.head(limit).collect(engine="streaming").to_dicts()
    for row in rows:
        row["fields"] = json.loads(row["fields"] or "{}")
        for name in ("images", "references", "choices"):
            row[name] = row[name] or []
    return rows


def _remember(known: OrderedDict[str, T], digest: str, value: T) -> None:
    known[digest] = value
    if len(known) > _KNOWN:
        known.popitem(last=False)
