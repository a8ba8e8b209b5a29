"""The metrics by name: what packages register under `vhb.metrics`, ours in this member's pyproject.toml, and within
`declared` those that a job brings as entries.

To add a metric: one file beside its siblings, one line under `[project.entry-points."vhb.metrics"]`, golden cases.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from vhb_evaluator import normalisation
from vhb_evaluator.metrics.base import Metric, MetricOptions
from vhb_evaluator.metrics.context import AskedModels, MetricContext
from vhb_evaluator.metrics.declared import declared_entry
from vhb_evaluator.metrics.isolated import isolated_class
from vhb_shared.contracts.job import MetricSpec, TaskEntry
from vhb_shared.contracts.metric_label import EPOCH_SD, MODELS
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_plugin, plugin, plugin_names

CIRCULAR = "[circular]"
"""After a metric's label: a sample is right only if all rotations of its options are."""


def pass_label(label: str, k: int, threshold: float | None = None) -> str:
    """`exact_match[pass@4]`, `anls[pass@4 at 0.8]`: the chance that one of k answers is right."""
    return f"{label}[pass@{k}]" if threshold is None else f"{label}[pass@{k} at {threshold:g}]"


class BoundMetric(NamedTuple):
    """A metric with the options a job gave it."""

    metric: Metric
    label: str
    """`cer`, `cer@text-lower@1`, `anls[vlmevalkit]`, `bleu{"order":2}`, `cer(gate=structural_fidelity)`: the id, with
    what differs from the metric's own settings."""
    normalisation: str
    """Full name of the profile."""
    gate: Metric | None = None
    """Answers that it scores 0 are scored as empty ones."""
    pass_threshold: float | None = None
    """From which value on an answer counts as right for pass@k."""
    place: int = 0
    """Among the metrics of its task."""

    @property
    def asks(self) -> bool:
        """Whether it asks models that agents serve."""
        return bool(self.metric.context.models)

    def asking(self, asked: AskedModels | None) -> "BoundMetric":
        """The same metric, whose questions go there."""
        metric = copy(self.metric)
        metric.context = replace(metric.context, asked=asked)
        return self._replace(metric=metric)


def metric_names() -> tuple[str, ...]:
    """Every registered metric id, sorted; imports none of them."""
    return plugin_names("metrics")


def metric_package(name: str) -> str:
    """The installed package that registers a metric, with its version; or the entry that says it.

    Raises:
        UserError: unknown metric, or two packages claim the name.
    """
    entry = declared_entry(name)
    return plugin("metrics", name).package if entry is None else f"entry {name} {entry.full_version}"


def metric_class(name: str) -> type[Metric]:
    """Imports a metric; one that is declared is made from its entry, and nothing is imported.

    Raises:
        UserError: unknown metric (the nearest known one is named), two packages claim the name, or the package that
            registers it is broken (it is named).
    """
    entry = declared_entry(name)
    if entry is not None:
        return isolated_class(entry)
    found = load_plugin("metrics", name, Metric)
    missing = [field for field in ("summary", "direction", "source") if not hasattr(found, field)]
    if missing:
        known = plugin("metrics", name)
        raise known.broken(f"{known.target} does not say its {', '.join(missing)}; upgrade")
    return found


def check(spec: MetricSpec, task: TaskEntry) -> None:
    """What validates a metric of a job: registered under `vhb.metric_options`.

    Raises:
        UserError: as `bind`.
    """
    bind(spec, MetricContext.of(task))


def bind(spec: MetricSpec, context: MetricContext | None = None) -> BoundMetric:
    """Makes a metric with the options of a job.

    Args:
        spec: as the job says.
        context: of the task; None for a metric on its own.

    Raises:
        UserError: as `metric_class`; or an unknown normalisation or profile; or the metric refuses its options, or
            cannot work in this task.
    """
    found = metric_class(spec.name) if spec.entry is None else isolated_class(spec.entry)
    if found.name != spec.name:
        raise UserError(f"metric {spec.name!r} has the entry of {found.name!r}: write one name")
    if spec.profile is not None and spec.profile not in found.profiles:
        known = f"known are {', '.join(found.profiles)}" if found.profiles else "it has none; leave `profile` out"
        raise UserError(f"unknown profile {spec.profile!r} of metric {found.name!r}: {known}")
    own = normalisation.resolve(found.normalisation)
    chosen = normalisation.resolve(spec.normalisation) if spec.normalisation is not None else own
    label = found.name
    if spec.profile is not None:
        label += f"[{spec.profile}]"
    if chosen != own:
        label += f"@{chosen}"
    if spec.models and not found.asks_models:
        raise UserError(f"metric {found.name!r} asks no models: leave its `models` out")
    options = {**spec.options, MODELS: [model.name for model in spec.models]} if spec.models else spec.options
    if options:
        label += _json(options) if found.composite else _shown(options)
    gate = None
    if spec.gate is not None:
        label += f"(gate={spec.gate.name}{_shown(spec.gate.options) if spec.gate.options else ''})"
        gate = bind(MetricSpec(name=spec.gate.name, options=spec.gate.options), context).metric
        if not gate.gates:
            raise UserError(f"metric {spec.gate.name!r} cannot be a gate: use structural_fidelity")
    chosen_options = _options(found, spec)
    try:
        metric = found(spec.profile, chosen_options) if chosen_options else found(spec.profile)
        metric.normalised_by = chosen
    except Exception as error:
        raise UserError(f"metric {label!r} cannot be made: {type(error).__name__}: {error}") from error
    metric.context = replace(context or MetricContext(), label=label, models=spec.models)
    metric.check()
    return BoundMetric(metric, label, chosen, gate, spec.pass_threshold)


_LONGEST_IN_LABEL = 60


def _shown(options: Mapping[str, Any]) -> str:
    """Options as a label has them: JSON, in which what is long (a schema, a rubric) is a hash of it."""
    brief = {}
    for name, value in options.items():
        text = _json(value)
        long = len(text) > _LONGEST_IN_LABEL
        brief[name] = f"#{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}" if long else value
    return _json(brief)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _options(found: type[Metric], spec: MetricSpec) -> MetricOptions | None:
    """The options of a job; None where it gives none and needs none."""
    try:
        options = found.options_type.model_validate(spec.options)
        return options if spec.options else None
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"])) or "options"
        known = ", ".join(field.alias or name for name, field in found.options_type.model_fields.items()) or "none"
        unknown = wrong["type"] == "extra_forbidden"
        said = "there is no such option" if unknown else wrong["msg"].removeprefix("Value error, ")
        raise UserError(f"option {place!r} of metric {found.name!r}: {said}; known options: {known}") from error


def bind_all(specs: tuple[MetricSpec, ...], context: MetricContext | None = None) -> tuple[BoundMetric, ...]:
    """Makes all metrics of a task, in order; the same one asked for twice is computed once.

    Raises:
        UserError: as `bind`.
    """
    bound = (bind(spec, context)._replace(place=place) for place, spec in enumerate(specs))
    return tuple({each.label: each for each in bound}.values())


def class_from_label(label: str) -> type[Metric]:
    """The class of the metric that a label names.

    Raises:
        UserError: as `metric_class`.
    """
    return metric_class(_parts(label)["name"])


def from_label(label: str) -> Metric:
    """The composite metric that a label of `bind` names, with its profile and options; without its gate, which has
    done its work by then. Labels of other metrics may hold hashes in place of options.

    Raises:
        UserError: as `bind`.
    """
    parts = _parts(label)
    spec = MetricSpec(
        name=parts["name"],
        normalisation=parts["normalisation"],
        profile=parts["profile"],
        options=json.JSONDecoder().raw_decode(parts["rest"])[0] if parts["rest"].startswith("{") else {},
    )
    return bind(spec).metric


_LABEL = re.compile(
    r"(?P<name>[^\[@{(]*)(\[(?P<profile>[^\]]*)\])?(@(?P<normalisation>[^{(]*))?(?P<rest>.*)", re.DOTALL
)


def _parts(label: str) -> dict[str, str]:
    found = _LABEL.fullmatch(label)
    assert found is not None  # every part may be empty
    return found.groupdict()


def higher_is_better(label: str) -> bool:
    """The direction of a metric by its label (`cer@text-lower@1`, `cer[pass@4 at 0.1]`).

    Raises:
        UserError: as `metric_class`.
    """
    if "[pass@" in label or label.endswith(EPOCH_SD):
        return not label.endswith(EPOCH_SD)
    return class_from_label(label).direction == "higher"
