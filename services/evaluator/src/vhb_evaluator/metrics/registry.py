"""The metrics by name: what packages register under `vhb.metrics`, ours in this member's pyproject.toml.

To add a metric: one file beside its siblings, one line under `[project.entry-points."vhb.metrics"]`, golden cases.
"""

import json
from typing import NamedTuple

from pydantic import ValidationError

from vhb_evaluator import normalisation
from vhb_evaluator.metrics.base import Metric, MetricOptions
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_plugin, plugin, plugin_names


class BoundMetric(NamedTuple):
    """A metric with the options a job gave it."""

    metric: Metric
    label: str
    """`cer`, `cer@text-lower@1`, `anls[vlmevalkit]`, `bleu{"order":2}`: the id, with what differs from the
    metric's own settings."""
    normalisation: str
    """Full name of the profile."""


def metric_names() -> tuple[str, ...]:
    """Every registered metric id, sorted; imports none of them."""
    return plugin_names("metrics")


def metric_package(name: str) -> str:
    """The installed package that registers a metric, with its version.

    Raises:
        UserError: unknown metric, or two packages claim the name.
    """
    return plugin("metrics", name).package


def metric_class(name: str) -> type[Metric]:
    """Imports a metric.

    Raises:
        UserError: unknown metric (the nearest known one is named), two packages claim the name, or the package that
            registers it is broken (it is named).
    """
    found = load_plugin("metrics", name, Metric)
    missing = [field for field in ("summary", "direction", "source") if not hasattr(found, field)]
    if missing:
        known = plugin("metrics", name)
        raise known.broken(f"{known.target} does not say its {', '.join(missing)}; upgrade")
    return found


def bind(spec: MetricSpec) -> BoundMetric:
    """Makes a metric with the options of a job.

    Raises:
        UserError: as `metric_class`; or an unknown normalisation or profile; or the metric refuses its options.
    """
    found = metric_class(spec.name)
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
    if spec.options:
        label += json.dumps(spec.options, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    options = _options(found, spec)
    try:
        metric = found(spec.profile, options) if options else found(spec.profile)
        metric.normalised_by = chosen
        return BoundMetric(metric, label, chosen)
    except Exception as error:
        raise UserError(f"metric {label!r} cannot be made: {type(error).__name__}: {error}") from error


def _options(found: type[Metric], spec: MetricSpec) -> MetricOptions | None:
    """The options of a job; None where it gives none."""
    if not spec.options:
        return None
    try:
        return found.options_type.model_validate(spec.options)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"])) or "options"
        known = ", ".join(found.options_type.model_fields) or "none"
        raise UserError(f"option {place!r} of metric {found.name!r}: {wrong['msg']}; known options: {known}") from error


def bind_all(specs: tuple[MetricSpec, ...]) -> tuple[BoundMetric, ...]:
    """Makes all metrics of a task, in order; the same one asked for twice is computed once.

    Raises:
        UserError: as `bind`.
    """
    return tuple({bound.label: bound for bound in map(bind, specs)}.values())


def class_from_label(label: str) -> type[Metric]:
    """The class of the metric that a label names.

    Raises:
        UserError: as `metric_class`.
    """
    return metric_class(label.partition("{")[0].partition("[")[0].partition("@")[0])


def from_label(label: str) -> Metric:
    """The metric that a label of `bind` names, with its profile and options.

    Raises:
        UserError: as `bind`.
    """
    rest, brace, options = label.partition("{")
    rest, _, wanted = rest.partition("@")
    name, _, profile = rest.partition("[")
    spec = MetricSpec(
        name=name,
        normalisation=wanted or None,
        profile=profile.removesuffix("]") or None,
        options=json.loads(brace + options) if brace else {},
    )
    return bind(spec).metric


def higher_is_better(label: str) -> bool:
    """The direction of a metric by its label (`cer@text-lower@1`).

    Raises:
        UserError: as `metric_class`.
    """
    return class_from_label(label).direction == "higher"
