"""All places that data sets are fetched from, by the scheme of the address."""

import asyncio
import importlib
from pathlib import Path

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.registry import Located, load_reader, local_path, locate, reader_names, reader_of
from vhb_shared.datasets.sources.archive import is_archive, unpacked, unpacked_name
from vhb_shared.datasets.sources.base import Fetched, Fetcher, OnBytes
from vhb_shared.errors import UserError
from vhb_shared.settings import SourceSettings

_FETCHERS = {
    "hf": "vhb_shared.datasets.sources.hub:HubFetcher",
    "s3": "vhb_shared.datasets.sources.s3:S3Fetcher",
    "https": "vhb_shared.datasets.sources.web:WebFetcher",
    "http": "vhb_shared.datasets.sources.web:WebFetcher",
}
"""Imported when one is needed: each brings a client of its own."""


def fetcher_of(source: str, settings: SourceSettings | None = None) -> Fetcher | None:
    """Who fetches an address; None for what is no address of ours (paths, and what a plug-in reads itself)."""
    scheme, separator, _ = source.partition("://")
    target = _FETCHERS.get(scheme.lower()) if separator else None
    if target is None:
        return None
    module, _, name = target.partition(":")
    kind: type[Fetcher] = getattr(importlib.import_module(module), name)
    return kind(settings or SourceSettings())


async def find(how: DatasetSource, base_dir: Path | None, on_bytes: OnBytes | None = None) -> Located:
    """Where a data set is and who reads it, fetched first where it is elsewhere.

    Args:
        how: what the user asked for.
        base_dir: where relative paths start.
        on_bytes: called in the event loop while something is fetched.

    Raises:
        UserError: nothing there, no permission, nobody reads it.
        Unavailable: a server does not answer, or the disk is full.
    """
    fetcher = None if await asyncio.to_thread(_read_by_plugin, how) else fetcher_of(how.source)
    if fetcher is None:
        return await asyncio.to_thread(_local, how, base_dir)
    fetched = await fetcher.fetch(how, on_bytes)
    return await asyncio.to_thread(_read, fetched, None)


def _local(how: DatasetSource, base_dir: Path | None) -> Located:
    path = local_path(how.source, base_dir)
    if path is None or not is_archive(path):
        return locate(how, base_dir)
    return _read(Fetched(path, how, path.name), base_dir)


def _read(fetched: Fetched, base_dir: Path | None) -> Located:
    path, how, name = fetched
    if is_archive(path):
        path, name = unpacked(path, how.source, SourceSettings()), unpacked_name(name)
        path = _meant(path, how)
    return Located(how.source, path, reader_of(how, path, base_dir), name)


def _meant(folder: Path, how: DatasetSource) -> Path:
    """What is read of an archive: its folder, or the only table in it, which nobody can name as it is packed."""
    from vhb_shared.datasets.folder import ANNOTATION, tables
    from vhb_shared.datasets.parquet import holds_parquet

    if how.reader is not None or (folder / ANNOTATION).exists() or holds_parquet(folder):
        return folder
    found = tables(folder)
    return found[0] if len(found) == 1 else folder


def _read_by_plugin(how: DatasetSource) -> bool:
    """Whether a reader that is installed takes the address as it is."""
    if "://" not in how.source:
        return False
    for name in reader_names():
        try:
            if load_reader(name).accepts(how.source, None):
                return True
        except UserError:
            continue  # it is named when nobody else reads the source
    return False
