"""What an entry of a registry says, as a person wants to read it."""

import inspect
from typing import Any

import yaml
from pydantic import BaseModel

from vhb_api.rest.answers import RegistryEntry
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_object


class MetricOption(BaseModel):
    """A key of a metric's options."""

    name: str
    default: str | None
    """As JSON or a Python value; null: it is required."""
    description: str


class MetricDefinition(BaseModel):
    """What a metric measures."""

    version: str
    summary: str
    direction: str
    """higher or lower: which is better."""
    pooled: bool
    """Whether groups are computed as one, and are no mean of their samples."""
    normalisation: str
    profiles: list[str]
    source: str
    details: str
    options: list[MetricOption]


class RegistryEntryDetails(RegistryEntry):
    """An entry with its definition."""

    yaml: str | None
    """As it is written in a file of `registry/`."""
    metric: MetricDefinition | None
    """Of a metric that a package registers."""
    problem: str | None
    """Why its definition cannot be shown."""


def details(entry: RegistryEntry, is_metric: bool) -> RegistryEntryDetails:
    """An entry with its definition. Blocking: it may import a metric's package."""
    text = None
    if entry.entry is not None:
        text = yaml.safe_dump({"name": entry.name} | entry.entry, sort_keys=False, allow_unicode=True, width=120)
    metric = problem = None
    if is_metric and entry.entry is None:
        try:
            metric = _definition(load_object("metrics", entry.name))
        except UserError as error:
            problem = str(error)
    return RegistryEntryDetails(**entry.model_dump(), yaml=text, metric=metric, problem=problem)


def _definition(found: Any) -> MetricDefinition:
    options = [
        MetricOption(
            name=field.alias or key,
            default=None if field.is_required() else repr(field.default),
            description=" ".join((field.description or "").split()),
        )
        for key, field in found.options_type.model_fields.items()
    ]
    return MetricDefinition(
        version=found.version,
        summary=found.summary,
        direction=found.direction,
        pooled=found.pooled,
        normalisation=found.normalisation,
        profiles=list(found.profiles),
        source=found.source,
        details=inspect.getdoc(found) or "",
        options=options,
    )
