"""The data set readers: what packages register under `vhb.datasets`, ours in this member's pyproject.toml."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.base import BadRow, DatasetReader, Sample
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_plugin, plugin_names


class Located(NamedTuple):
    """A source, where it is, and who reads it."""

    source: str
    path: Path | None
    reader: DatasetReader
    name: str
    """What to call the data set."""
    most: int | None = None
    """Rows that are read; None: all."""

    def rows(self) -> Iterator[Sample | BadRow]:
        """All rows of the wanted split. Blocks.

        Raises:
            UserError: see `DatasetReader.read`; or there is no such split.
        """
        split, found, there = self.reader.how.split, 0, dict[str, None]()
        for row in self.reader.read(self.source, self.path):
            if split is None or isinstance(row, BadRow) or self.reader.chooses_split or row.split == split:
                found += 1
                yield row
                if found == self.most:
                    return
            elif len(there) < _SPLITS_NAMED:
                there[row.split or "(none)"] = None
        if split is not None and not found:
            known = f"; there are: {', '.join(there)}" if there else ""
            raise UserError(f'data set "{self.source}": no row has the split "{split}"{known}')


_SPLITS_NAMED = 20


def reader_names() -> tuple[str, ...]:
    """Names of all readers, sorted; imports none of them."""
    return plugin_names("datasets")


def load_reader(name: str, how: DatasetSource | None = None) -> DatasetReader:
    """One reader.

    Args:
        name: upper and lower case are the same.
        how: see `DatasetReader`.

    Raises:
        UserError: no such reader, several packages claim the name, its package is broken, or an option is wrong.
    """
    return load_plugin("datasets", name, DatasetReader)(how)


def locate(source: str | DatasetSource, base_dir: Path | None) -> Located:
    """Finds what a data set source names and who reads it. Blocks: call it in a thread.

    A reader that cannot be loaded does not hinder the others; it is named when nobody else reads the source.

    Args:
        source: a path (relative to `base_dir`), or a URL that a reader knows; with how it is to be read.
        base_dir: where relative paths start; None means the current directory.

    Raises:
        UserError: nothing there, or nobody reads it.
    """
    how = DatasetSource(source=source) if isinstance(source, str) else source
    path = local_path(how.source, base_dir)
    name = path.resolve().name if path is not None else how.source.rsplit("/", 1)[-1]
    return Located(how.source, path, reader_of(how, path, base_dir), name)


def local_path(source: str, base_dir: Path | None) -> Path | None:
    """Where a source lies on this machine; None for an address, or where nothing is."""
    if "://" in source:
        return None
    path = (base_dir or Path()) / Path(source).expanduser()
    return path if _exists(path) else None


def reader_of(how: DatasetSource, path: Path | None, base_dir: Path | None) -> DatasetReader:
    """The reader of a source: the one that it names, else the first that knows it.

    Args:
        how: the data set.
        path: where it is; None for a URL, or where nothing is.
        base_dir: for messages.

    Raises:
        UserError: nobody reads it, or its options are wrong.
    """
    source = how.source
    if path is None and "://" not in source:
        looked = (base_dir or Path()) / source
        raise UserError(
            f'data set "{source}": no such file or folder ({looked}) and no registry entry of that name; check the path'
        )
    if how.reader is not None:
        reader = load_reader(how.reader, how)
        if not reader.accepts(source, path):
            raise UserError(f'data set "{source}": its reader {reader.name!r} expects {reader.describe}')
        return reader
    readers, broken = _readers()
    for kind in readers:
        if not kind.asked_only and kind.accepts(source, path):
            return type(kind)(how)
    known = "; ".join(reader.describe for reader in readers)
    if broken:
        known += f" ({'; '.join(broken)})"
    if path is not None:
        raise UserError(f'data set "{source}": no reader for this kind of file; expected {known}')
    raise UserError(
        f'data set "{source}": no reader for "{source.split("://", 1)[0]}://"; expected hf://, s3://, https:// or '
        f"{known}"
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
