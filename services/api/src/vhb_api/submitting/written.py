"""A job that was handed in, as a file that a person can edit and hand in again."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from vhb_shared.contracts.job import JobSpec, MetricSpec, ModelEntry, TaskEntry
from vhb_shared.errors import UserError
from vhb_shared.jobs.variants import MARK
from vhb_shared.redaction import Redactor, is_secret_name
from vhb_shared.registry.registry import Registry

_WIDTH = 110


def job_file(spec: JobSpec, registry: Registry) -> str:
    """YAML that says no more than it must: without defaults, and models are names where the registry says the same.

    Data are named by their digests. What looks like a secret is left out, and a comment names it. Blocks.

    Args:
        spec: as it was handed in.
        registry: where the service looks names up.
    """
    spec = _without_variants(spec)
    left_out: list[str] = []
    data = spec.model_dump(mode="json", exclude_defaults=True)
    if spec.models:
        data["models"] = [
            _model(entry, registry, f"models[{number}]", left_out) for number, entry in enumerate(spec.models)
        ]
    for number, (task, written) in enumerate(zip(spec.tasks, data.get("tasks", ()), strict=True)):
        if task.metrics:
            written["metrics"] = list(_metrics(task, registry, f"tasks[{number}]", left_out))
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    if left_out:
        text = f"# Left out, because it looks like a secret: {', '.join(left_out)}\n{text}"
    return text


def _without_variants(spec: JobSpec) -> JobSpec:
    """Tasks that stand for corruptions of another one's images become `corruptions` of that one again."""
    names = {task.name for task in spec.tasks}
    made = {
        task.name: task.variant
        for task in spec.tasks
        if task.variant is not None
        and task.variant.of in names
        and task.name == f"{task.variant.of}{MARK}{task.variant.corruption.label}"
    }
    tasks = []
    for task in spec.tasks:
        if task.name not in made:
            of_it = tuple(variant.corruption for variant in made.values() if variant.of == task.name)
            tasks.append(task.model_copy(update={"corruptions": of_it}) if of_it else task)
    runs = tuple(run for run in spec.runs if run.task not in made)
    return spec.model_copy(update={"tasks": tuple(tasks), "runs": runs})


def _model(entry: ModelEntry, registry: Registry, place: str, left_out: list[str]) -> Any:
    known = registry.models.get(entry.name)
    if known is not None:
        try:
            if registry.resolve_model(ModelEntry(name=entry.name)) == entry:
                return entry.name
        except UserError:
            pass
    return Redactor().clean(_public(entry.model_dump(mode="json", exclude_defaults=True), place, left_out))


def _metrics(task: TaskEntry, registry: Registry, place: str, left_out: list[str]) -> Iterator[Any]:
    for number, metric in enumerate(task.metrics):
        written = metric.model_dump(mode="json", exclude_defaults=True)
        if metric.entry is not None and registry.resolve_metric(MetricSpec(name=metric.name)).entry == metric.entry:
            del written["entry"]
        if metric.models:
            where = f"{place}.metrics[{number}].models"
            written["models"] = [
                _model(model, registry, f"{where}[{n}]", left_out) for n, model in enumerate(metric.models)
            ]
        yield metric.name if set(written) == {"name"} else written


def _public(data: Any, place: str, left_out: list[str]) -> Any:
    if isinstance(data, Mapping):
        kept = {}
        for name, value in data.items():
            if is_secret_name(str(name)) and value:
                left_out.append(f"{place}.{name}")
            else:
                kept[name] = _public(value, f"{place}.{name}", left_out)
        return kept
    if isinstance(data, list):
        return [_public(value, f"{place}[{number}]", left_out) for number, value in enumerate(data)]
    return data


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; lists indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
