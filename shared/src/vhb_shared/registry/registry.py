"""All named entries together, and what a job's entry means beside them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.contracts.job import MetricSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError
from vhb_shared.registry.base import DatasetEntry, Entries, EntrySource, Registered
from vhb_shared.registry.folder import FolderSource
from vhb_shared.registry.packages import PackageSource
from vhb_shared.registry.plugins import plugin_names
from vhb_shared.settings import RegistrySettings

E = TypeVar("E")
BUILT_IN = Path(__file__).with_name("builtin")
_DATA_FIELDS = {
    "name", "dataset", "filter", "limit", "answers", "description", "epochs", "circular", "shuffle_options", "few_shot",
    "corruptions",
}  # fmt: skip
"""What an entry may say of its data, and how often and beside what they are asked, without saying what is asked."""
_SOURCE_FIELDS = frozenset(DatasetSource.model_fields)


class Registry:
    """Entries of several places; of two with one name the later place's counts. Read at first use (blocks)."""

    def __init__(self, sources: Sequence[EntrySource]) -> None:
        self._sources = tuple(sources)

    @classmethod
    def load(cls, beside: Path | None = None, settings: RegistrySettings | None = None) -> "Registry":
        """The registry that a job meets: built in, then installed packages, then the folders of VHB_REGISTRY_DIRS,
        then `registry/` beside the job file.

        Args:
            beside: where the job file is; None when there is none.
            settings: names the folders; None reads the environment.
        """
        settings = settings or RegistrySettings()
        sources: list[EntrySource] = [FolderSource(BUILT_IN, origin="built in"), PackageSource()]
        sources += [FolderSource(folder) for folder in settings.registry_dirs]
        if beside is not None:
            sources.append(FolderSource(beside / "registry", required=False))
        return cls(sources)

    @cached_property
    def _entries(self) -> Entries:
        together = Entries()
        for source in self._sources:
            found = source.load()
            together.models.update(found.models)
            together.tasks.update(found.tasks)
            together.datasets.update(found.datasets)
            together.metrics.update(found.metrics)
        for name in set(together.metrics) & set(plugin_names("metrics") if together.metrics else ()):
            raise UserError(
                f"{together.metrics[name].origin}: an installed package registers metric {name!r} too: rename it."
            )
        return together

    @property
    def models(self) -> Mapping[str, Registered[ModelEntry]]:
        """All models by name."""
        return self._entries.models

    @property
    def tasks(self) -> Mapping[str, Registered[TaskEntry]]:
        """All tasks by name."""
        return self._entries.tasks

    @property
    def datasets(self) -> Mapping[str, Registered[DatasetEntry]]:
        """All data sets by name."""
        return self._entries.datasets

    @property
    def metrics(self) -> Mapping[str, Registered[MetricEntry]]:
        """Metrics with packages of their own, by name; installed ones are plug-ins."""
        return self._entries.metrics

    def model(self, name: str) -> ModelEntry:
        """The model of that name.

        Raises:
            UserError: there is none; the nearest is named.
        """
        return _get(self.models, name, "model", "vhb models list")

    def task(self, name: str) -> TaskEntry:
        """The task of that name.

        Raises:
            UserError: there is none; the nearest is named.
        """
        return _get(self.tasks, name, "task", "vhb tasks list")

    def dataset(self, name: str) -> DatasetEntry:
        """The data set of that name.

        Raises:
            UserError: there is none; the nearest is named.
        """
        return _get(self.datasets, name, "data set", "vhb datasets list")

    def resolve_model(self, entry: ModelEntry) -> ModelEntry:
        """What a job's model entry means.

        An entry without `backend` refers to the registry's entry of its name, and what it says overrides that; so
        does one that names the same backend. One that names another backend, or that is in no registry, stands for
        itself.

        Raises:
            UserError: it has no backend and the registry does not know its name.
        """
        if entry.backend is None:
            return _merged(self.model(entry.name), entry)
        known = self.models.get(entry.name)
        if known is not None and known.entry.backend == entry.backend:
            return _merged(known.entry, entry)
        return entry

    def resolve_task(self, entry: TaskEntry) -> TaskEntry:
        """What a job's task entry means; its metrics carry their entries.

        An entry without `dataset` refers to the registry's entry of its name, and what it says overrides that. An
        entry that says nothing but a registered name and its data asks of these data what the registry's task asks.
        Any other entry stands for itself.

        Raises:
            UserError: it has no data set and the registry does not know its name, or knows no data set either.
        """
        if entry.dataset is None:
            resolved = _merged(self.task(entry.name), entry)
            if resolved.dataset is None:
                raise UserError(f"task {entry.name!r} of the registry works on any data: name a `dataset` beside it.")
            return self._with_metrics(resolved)
        known = self.tasks.get(entry.name)
        if known is not None and entry.model_fields_set <= _DATA_FIELDS:
            return self._with_metrics(_merged(known.entry, entry))
        return self._with_metrics(entry)

    def _with_metrics(self, task: TaskEntry) -> TaskEntry:
        if all(metric.entry is not None or metric.name not in self.metrics for metric in task.metrics):
            return task
        return task.model_copy(update={"metrics": tuple(self.resolve_metric(metric) for metric in task.metrics)})

    def resolve_metric(self, spec: MetricSpec) -> MetricSpec:
        """What a job's metric means: with its entry, where it is one of the registry's."""
        known = self.metrics.get(spec.name) if spec.entry is None else None
        return spec if known is None else spec.model_copy(update={"entry": known.entry})

    def resolve_dataset(self, named: str | DatasetSource) -> DatasetSource:
        """What a task's `dataset` means: the registry's entry of that name, with what is said beside it; or itself."""
        said = DatasetSource(source=named) if isinstance(named, str) else named
        known = self.datasets.get(said.source)
        if known is None:
            return said
        fields = {name: getattr(known.entry, name) for name in known.entry.model_fields_set if name in _SOURCE_FIELDS}
        fields.update({name: getattr(said, name) for name in said.model_fields_set - {"source"}})
        return DatasetSource(**fields)


def _get(entries: Mapping[str, Registered[E]], name: str, what: str, list_with: str) -> E:
    found = entries.get(name)
    if found is None:
        raise UserError(f"no {what} is named {name!r}: {did_you_mean(name, tuple(entries), list_with)}")
    return found.entry


M = TypeVar("M", ModelEntry, TaskEntry)


def _merged(below: M, above: M) -> M:
    # None refers to the registry, however it came to be written; inside `generation` it has a meaning of its own.
    said = {key: value for key, value in above.model_dump(exclude_unset=True).items() if value is not None}
    return type(above).model_validate(_overlaid(below.model_dump(exclude_unset=True), said))


def _overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    data = dict(below)
    for key, value in above.items():
        old = data.get(key)
        data[key] = _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return data
