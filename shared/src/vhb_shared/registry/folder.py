"""Entries in a folder of YAML files: `models/*.yaml`, `tasks/*.yaml`, `datasets/*.yaml`, `metrics/*.yaml`."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.documents.base import Loc
from vhb_shared.documents.check import check_document
from vhb_shared.documents.read import read_document
from vhb_shared.errors import UserError
from vhb_shared.registry.base import DatasetEntry, Entries, EntrySource, Registered

E = TypeVar("E", bound=BaseModel)
SUFFIXES = (".yaml", ".yml", ".json")
_FILES_OF: dict[type[BaseModel], tuple[str, ...]] = {
    ModelEntry: (),
    TaskEntry: ("dataset", "prompts", "response_schema", "answers"),
    DatasetEntry: ("source",),
    DatasetSource: ("source",),
    MetricEntry: ("path", "lock"),
}
"""Fields that may name a file beside the entry's."""


class FolderSource(EntrySource):
    """One file holds one entry or a list of entries."""

    def __init__(self, folder: Path, *, required: bool = True, origin: str | None = None) -> None:
        """
        Args:
            folder: may hold `models`, `tasks`, `datasets` and `metrics`.
            required: whether a missing folder is a mistake.
            origin: named instead of the files.
        """
        self._folder = folder
        self._required = required
        self._origin = origin

    def load(self) -> Entries:
        if not self._folder.is_dir():
            if self._required:
                raise UserError(f"registry folder {self._folder} does not exist: mend VHB_REGISTRY_DIRS or create it.")
            return Entries()
        return Entries(
            models=self._read("models", ModelEntry),
            tasks=self._read("tasks", TaskEntry),
            datasets=self._read("datasets", DatasetEntry),
            metrics=self._read("metrics", MetricEntry),
        )

    def _read(self, kind: str, model: type[E]) -> dict[str, Registered[E]]:
        found: dict[str, Registered[E]] = {}
        folder = self._folder / kind
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
        for path in files:
            document = read_document(path, "registry file")
            places: list[Loc] = (
                [(number,) for number in range(len(document.data))] if isinstance(document.data, list) else [()]
            )
            for loc in places:
                entry = check_document(document, model, loc)
                name = str(getattr(entry, "name"))  # noqa: B009 - each of the four has one
                if name in found:
                    raise UserError(
                        f"{document.where(loc)}: {kind[:-1]} {name!r} is already in {found[name].origin}: rename one."
                    )
                found[name] = Registered(_located(entry, model, path.parent), self._origin or str(path))
        return found


def _located(entry: E, model: type[E], folder: Path) -> E:
    """The entry with the files beside it named by their full path, so that a job elsewhere finds them."""
    changes: dict[str, Any] = {}
    for field in _FILES_OF[model]:
        value = getattr(entry, field)
        if isinstance(value, DatasetSource):
            changes[field] = _located(value, DatasetSource, folder)
        if isinstance(value, str) and "://" not in value:
            beside = folder / value
            # A metric's files are files and nothing else: one that is missing is told by the path where it should be.
            if (model is MetricEntry and "\n" not in value) or _exists(beside):
                changes[field] = str(beside.resolve())
    return entry.model_copy(update=changes) if changes else entry


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
