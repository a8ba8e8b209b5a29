"""The contract of a place where registry entries come from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.contracts.job import ModelEntry, Name, TaskEntry
from vhb_shared.contracts.metric_entry import MetricEntry

Kind = Literal["models", "tasks", "datasets", "metrics"]
E = TypeVar("E")


class DatasetEntry(DatasetSource):
    """A data set by name. A relative `source` starts at the entry's file."""

    name: Name
    description: str | None = None


@dataclass(frozen=True)
class Registered(Generic[E]):
    """An entry and where it is written."""

    entry: E
    origin: str
    """`built in`, a file, or an installed package with its version."""


@dataclass(frozen=True)
class Entries:
    """What one place holds, by name."""

    models: dict[str, Registered[ModelEntry]] = field(default_factory=dict)
    tasks: dict[str, Registered[TaskEntry]] = field(default_factory=dict)
    datasets: dict[str, Registered[DatasetEntry]] = field(default_factory=dict)
    metrics: dict[str, Registered[MetricEntry]] = field(default_factory=dict)


class EntrySource(ABC):
    """A place with entries: one implementation per kind of place."""

    @abstractmethod
    def load(self) -> Entries:
        """Reads all of it. Blocks.

        Raises:
            UserError: an entry is malformed, or two have one name.
        """
