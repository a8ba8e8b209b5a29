"""Where the numbers come from: ids, digests, versions, hosts."""

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, NamedTuple

from vhb_reporter.model import Report, RunView
from vhb_reporter.sections.setup import shown
from vhb_reporter.sections.template import TemplateSection

_ENTRIES = 400
_DEPTH = 6


class Environment(NamedTuple):
    """What is known about where answers came from; runs that share a backend share it."""

    runs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str], ...]


class Provenance(TemplateSection):
    """Enough to find, check and repeat what the report shows."""

    name: ClassVar[str] = "provenance"
    title: ClassVar[str] = "Provenance"
    order: ClassVar[int] = 1000

    def context(self, report: Report) -> Mapping[str, object]:
        try:
            reporter = version("vhb-reporter")
        except PackageNotFoundError:
            reporter = "unknown"
        software = dict(report.software) | {"vhb-reporter": reporter}
        return {"environments": _environments(report.runs), "software": software}


def _environments(runs: tuple[RunView, ...]) -> list[Environment]:
    found: dict[str, tuple[list[str], Mapping[str, object]]] = {}
    for run in runs:
        if run.environment:
            key = json.dumps(run.environment, sort_keys=True, default=str)
            found.setdefault(key, ([], run.environment))[0].append(run.name)
    return [
        Environment(
            tuple(names),
            tuple(_flat({key: value for key, value in content.items() if key != "packages"}))[:_ENTRIES],
            tuple(_packages(content.get("packages")))[:_ENTRIES],
        )
        for names, content in found.values()
    ]


def _packages(value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [(str(name), str(number)) for name, number in sorted(value.items(), key=lambda item: str(item[0]))]
    if isinstance(value, list):
        pairs = (str(item).partition("==") for item in value)
        return sorted((name, number) for name, _, number in pairs)
    return []


def _flat(content: Mapping[str, object], prefix: str = "", depth: int = 0) -> list[tuple[str, str]]:
    """Nested facts as dotted names."""
    facts: list[tuple[str, str]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < _DEPTH:
            facts += _flat(value, f"{name}.", depth + 1)
        elif value not in (None, "", []):
            facts.append((name, shown(str(key), value)))
    return facts
