"""The data set readers: what packages register under `vhb.datasets`, ours in this member's pyproject.toml."""

from pathlib import Path
from typing import NamedTuple

from vhb_shared.datasets.base import DatasetReader
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_plugin, plugin_names


class Located(NamedTuple):
    """A source, where it is, and who reads it."""

    source: str
    path: Path | None
    reader: DatasetReader


def reader_names() -> tuple[str, ...]:
    """Names of all readers, sorted; imports none of them."""
    return plugin_names("datasets")


def load_reader(name: str) -> DatasetReader:
    """One reader.

    Raises:
        UserError: no such reader, several packages claim the name, or its package is broken.
    """
    return load_plugin("datasets", name, DatasetReader)()


def locate(source: str, base_dir: Path | None) -> Located:
    """Finds what a data set source names and who reads it. Blocks: call it in a thread.

    A reader that cannot be loaded does not hinder the others; it is named when nobody else reads the source.

    Args:
        source: a path (relative to `base_dir`), or a URL that a reader knows.
        base_dir: where relative paths start; None means the current directory.

    Raises:
        UserError: nothing there, or nobody reads it.
    """
    readers, broken = _readers()
    path: Path | None = None
    if "://" not in source:
        path = (base_dir or Path()) / Path(source).expanduser()
        if not _exists(path):
            path = None
    for reader in readers:
        if reader.accepts(source, path):
            return Located(source, path, reader)
    known = "; ".join(reader.describe for reader in readers)
    if broken:
        known += f" ({'; '.join(broken)})"
    if path is not None:
        raise UserError(f'data set "{source}": no reader for this kind of file; expected {known}')
    if "://" in source:
        raise UserError(f'data set "{source}": no reader for "{source.split("://", 1)[0]}://"; expected {known}')
    looked = (base_dir or Path()) / source
    raise UserError(
        f'data set "{source}": no such file or folder ({looked}) and no registry entry of that name; check the path'
    )


def _readers() -> tuple[list[DatasetReader], list[str]]:
    """Those that can be loaded, and what is wrong with the others."""
    readers, broken = [], []
    for name in reader_names():
        try:
            readers.append(load_reader(name))
        except UserError as error:
            broken.append(str(error))
    return readers, broken


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or a NUL byte in it
        return False
