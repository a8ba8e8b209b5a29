"""What installed packages offer under our entry-point groups: the one way in which plug-ins are found and loaded.

Our own plug-ins are found in the same way: the `[project.entry-points]` tables of the members' pyproject.toml are the
visible lists. Listing reads package metadata only; a plug-in's code is imported when somebody asks for it, so that a
broken package hurts only those who use it.
"""

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, NamedTuple, TypeVar, cast

from vhb_shared.contracts.job import MetricSpec, TaskEntry
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError

B = TypeVar("B")
PluginKind = Literal["backends", "environments", "tasks", "metrics", "metric_options", "datasets", "report_sections"]
_ONE: dict[PluginKind, str] = {
    "backends": "backend",
    "environments": "environment",
    "tasks": "task",
    "metrics": "metric",
    "metric_options": "check of metric options",
    "datasets": "data set reader",
    "report_sections": "report section",
}


class Plugin(NamedTuple):
    """Something that a package registers."""

    kind: PluginKind
    name: str
    """In lower case."""
    package: str
    """With its version."""
    target: str
    """`module:object`"""

    def broken(self, why: str) -> UserError:
        """What to tell somebody who asked for it and cannot have it."""
        return UserError(
            f"{_ONE[self.kind]} {self.name!r} of package {self.package} cannot be used: {why}, or uninstall the package"
        )


def plugins(kind: PluginKind) -> tuple[Plugin, ...]:
    """Everything of a kind, by name, without importing any of it; several of one name where packages dispute it."""
    return tuple(sorted(_described(kind, each) for found in _found(kind).values() for each in found))


def plugin_names(kind: PluginKind) -> tuple[str, ...]:
    """The names of a kind, sorted, in lower case."""
    return tuple(sorted(_found(kind)))


def plugin(kind: PluginKind, name: str) -> Plugin:
    """Who registers a name, without importing it.

    Raises:
        UserError: unknown name (the nearest is named), or several packages claim it (they are named).
    """
    return _described(kind, _only(kind, name))


def load_plugin(kind: PluginKind, name: str, base: type[B]) -> type[B]:
    """Imports the class that is registered under a name.

    Args:
        kind: which group.
        name: upper and lower case are the same.
        base: what the class must be derived from.

    Raises:
        UserError: as `load_object`; or it is no such class, or its `name` is not the registered one.
    """
    found, known = load_object(kind, name), plugin(kind, name)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise known.broken(f"{known.target} is not a subclass of {base.__module__}.{base.__name__}; upgrade")
    if (own := getattr(found, "name", None)) != known.name:
        raise known.broken(f"{known.target} is registered as {known.name!r} but calls itself {own!r}; upgrade")
    return found


def load_object(kind: PluginKind, name: str) -> object:
    """Imports whatever is registered under a name.

    Raises:
        UserError: unknown name (the nearest is named), several packages claim it (they are named), or its package is
            broken (it is named).
    """
    found = _only(kind, name)
    try:
        return cast(object, found.point.load())
    except Exception as error:  # a package of others may raise anything while it is imported
        why = f"importing {found.point.value} failed with {type(error).__name__}: {error}; install what it lacks"
        raise _described(kind, found).broken(why) from error


def load_metric_check() -> Callable[[MetricSpec, TaskEntry], object] | None:
    """What checks a metric of a task, raising UserError: registered as `check` under `vhb.metric_options` by whoever
    computes metrics. None where nobody is installed who could tell.

    Raises:
        UserError: as `load_object`.
    """
    if "check" not in _found("metric_options"):
        return None
    return cast(Callable[[MetricSpec, TaskEntry], object], load_object("metric_options", "check"))


def load_samples_check() -> Callable[[MetricSpec, Any, TaskEntry], object] | None:
    """What checks whether a metric suits samples (a lazy frame), raising UserError: registered as `check_samples`,
    otherwise as `load_metric_check`.

    Raises:
        UserError: as `load_object`.
    """
    if "check_samples" not in _found("metric_options"):
        return None
    return cast(Callable[[MetricSpec, Any, TaskEntry], object], load_object("metric_options", "check_samples"))


class _Registered(NamedTuple):
    """An entry point, and the package it is of: to ask the point itself reads the package's metadata each time."""

    package: str
    point: EntryPoint


def _found(kind: PluginKind) -> dict[str, list[_Registered]]:
    return _scan(f"vhb.{kind}", tuple(sys.path))


@lru_cache(maxsize=32)
def _scan(group: str, _path: tuple[str, ...]) -> dict[str, list[_Registered]]:
    # Reading the metadata of all packages takes milliseconds; a job may name thousands of models.
    by_name: dict[str, dict[tuple[str, str], _Registered]] = {}
    for point in entry_points(group=group):
        package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
        by_name.setdefault(point.name.lower(), {})[package, point.value] = _Registered(package, point)
    return {name: list(found.values()) for name, found in by_name.items()}


def _only(kind: PluginKind, name: str) -> _Registered:
    known = _found(kind)
    found = known.get(name.strip().lower())
    if not found:
        raise UserError(f"unknown {_ONE[kind]} {name!r}: {did_you_mean(name, tuple(known))}")
    if len(found) > 1:
        packages = " and ".join(sorted(f"{each.package} ({each.point.value})" for each in found))
        raise UserError(f"{_ONE[kind]} {name!r} is registered by {packages}; uninstall all of them but one")
    return found[0]


def _described(kind: PluginKind, found: _Registered) -> Plugin:
    return Plugin(kind, found.point.name.lower(), found.package, found.point.value)
