"""Tasks that installed packages register under `vhb.tasks`: a `TaskEntry`, or a mapping that makes one."""

from pydantic import ValidationError

from vhb_shared.contracts.job import TaskEntry
from vhb_shared.registry.base import Entries, EntrySource, Registered
from vhb_shared.registry.plugins import load_object, plugins


class PackageSource(EntrySource):
    """All of them; their packages are imported by `load`."""

    def load(self) -> Entries:
        tasks = {}
        for plugin in plugins("tasks"):
            found = load_object("tasks", plugin.name)
            try:
                entry = found if isinstance(found, TaskEntry) else TaskEntry.model_validate(found)
            except ValidationError as error:
                raise plugin.broken(f"{plugin.target} is malformed, {error.errors()[0]['msg']}; upgrade") from error
            tasks[entry.name] = Registered(entry, plugin.package)
        return Entries(tasks=tasks)
