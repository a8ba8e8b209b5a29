"""Where the numbers come from, as facts: names with values."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from vhb_reporter.language import gettext, noted
from vhb_reporter.model import Report, RunView
from vhb_reporter.redacted import shown
from vhb_shared.contracts.job import MetricSpec, ModelEntry, PromptSet, TaskEntry

_ENTRIES = 400
_DEPTH = 6

Fact = tuple[str, str]


class Environment(NamedTuple):
    """What is known about where answers came from; runs that share a backend share it."""

    runs: tuple[str, ...]
    facts: tuple[Fact, ...]
    packages: tuple[Fact, ...]


class Prompt(NamedTuple):
    """A prompt's text, and its sha256 to tell it from a similar one."""

    what: str
    text: str
    digest: str


class MetricUsed(NamedTuple):
    """A metric as it was computed."""

    label: str
    version: str
    normalisation: str
    runs: int


def software(report: Report) -> tuple[Fact, ...]:
    """Versions of what planned the job and of what reports it."""
    try:
        reporter = version("vhb-reporter")
    except PackageNotFoundError:
        reporter = "unknown"
    return tuple((dict(report.software) | {"vhb-reporter": reporter}).items())


def metrics_used(runs: Sequence[RunView]) -> tuple[MetricUsed, ...]:
    """Every metric with its version and normalisation, and how many runs it was computed for."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for run in runs:
        for row in run.metrics:
            found.setdefault((row.metric, row.metric_version, row.normalisation), set()).add(run.name)
    return tuple(MetricUsed(*key, runs=len(names)) for key, names in found.items())


def run_facts(run: RunView) -> tuple[Fact, ...]:
    """Everything that identifies a run: ids, data, settings, prompts, metrics."""
    spec, dataset = run.spec, run.spec.dataset
    facts = [
        (noted("run id"), spec.run_id),
        (noted("results of"), spec.results_run_id if spec.results_run_id != spec.run_id else ""),
        (noted("backend id"), spec.backend_id),
        (noted("stages"), ", ".join(map(gettext, spec.stages))),
        (noted("status"), gettext(run.status)),
        (noted("reason"), run.reason or ""),
        (noted("first request"), run.timings.first_at.isoformat() if run.timings.first_at else ""),
        (noted("last answer"), run.timings.last_at.isoformat() if run.timings.last_at else ""),
        (noted("answers got by earlier jobs"), str(run.reused.count) if run.reused.count else ""),
        (noted("data set"), dataset.name),
        (noted("data set: source"), dataset.source),
        (noted("data set: sha256"), dataset.digest),
        (noted("data set: samples"), str(dataset.samples)),
        (noted("data set: bad rows left out"), str(dataset.skipped_rows) if dataset.skipped_rows else ""),
        (noted("samples asked"), str(spec.samples)),
        *((f"{gettext('model')}: {gettext(name)}", value) for name, value in model_settings(spec.model)),
        *((f"{gettext(prompt.what)}: sha256", prompt.digest) for prompt in prompts(spec.task)),
        (noted("response schema: sha256"), schema_digest(spec.task) or ""),
        *(
            (f"{gettext('metric')} {used.label}", f"{gettext('version')} {used.version}, {used.normalisation}")
            for used in metrics_used([run])
        ),
    ]
    return tuple((name, value) for name, value in facts if value)


def _metric_fact(used: MetricUsed) -> Fact:
    return f"{gettext('metric')} {used.label}", f"{gettext('version')} {used.version}, {used.normalisation}"


def model_settings(entry: ModelEntry) -> tuple[Fact, ...]:
    """What the entry says beyond defaults, as text; secrets and the credentials in a URL are not repeated."""
    said: dict[str, object] = {
        noted("backend"): entry.backend,
        noted("model"): entry.served_model,
        noted("revision"): entry.revision,
        noted("environment"): entry.environment,
        noted("image"): entry.image,
        noted("base URL"): entry.base_url,
        noted("API key from"): entry.api_key_env,
        noted("packages"): ", ".join(entry.packages),
        noted("replicas"): entry.replicas if entry.replicas != 1 else None,
        noted("requests in flight, at most"): entry.concurrency,
        noted("streaming"): gettext("yes") if entry.stream else gettext("no"),
    }
    parts: tuple[tuple[str, Mapping[str, object]], ...] = (
        (gettext("engine"), entry.engine_args),
        (gettext("generation"), entry.generation.model_dump(exclude={"extra"}, exclude_none=True)),
        (gettext("generation"), entry.generation.extra),
        (gettext("resources"), entry.resources.model_dump(exclude_defaults=True)),
        (gettext("retries"), entry.retries.model_dump(exclude_defaults=True)),
    )
    said |= {f"{part}: {name}": value for part, values in parts for name, value in values.items()}
    return tuple((name, shown(name, value)) for name, value in said.items() if value not in (None, "", {}, [], ()))


def task_settings(entry: TaskEntry) -> tuple[Fact, ...]:
    """What the entry says of how samples are asked and compared, beyond defaults, by the names of the job file."""
    said = entry.model_dump(mode="json", include=set(_TASK_SETTINGS))
    defaults = {name: TaskEntry.model_fields[name].default for name in _TASK_SETTINGS}
    return tuple(_flat({name: said[name] for name in _TASK_SETTINGS if said[name] != defaults[name]}))


_TASK_SETTINGS = ("epochs", "circular", "shuffle_options", "few_shot", "variant", "compare_as")


def metric_settings(spec: MetricSpec) -> str:
    """A metric as the job asks for it: `f1_macro, text-lower, classes: ["a", "b"], gate: structural_fidelity`."""
    said = [spec.name, *(each for each in (spec.normalisation, spec.profile) if each)]
    facts = _flat(spec.options)
    if spec.models:
        facts.append(("models", ", ".join(model.name for model in spec.models)))
    if spec.gate is not None:
        facts += [("gate", spec.gate.name), *_flat(spec.gate.options, "gate.")]
    if spec.pass_threshold is not None:
        facts.append(("pass_threshold", f"{spec.pass_threshold:g}"))
    return ", ".join([*said, *(f"{name}: {value}" for name, value in facts)])


def prompts(entry: TaskEntry) -> tuple[Prompt, ...]:
    """Every prompt of a task."""
    found: list[tuple[str, str | None]] = [
        (noted("system prompt"), entry.system_prompt),
        (noted("prompt"), entry.prompt),
    ]
    if isinstance(entry.prompts, PromptSet):
        named = entry.prompts
        found += [
            (noted("fixed system prompt"), named.fixed_system_prompt),
            (noted("fixed prompt"), named.fixed_prompt),
            ("system prompt", named.system_prompt),
            ("prompt", named.user_prompt),
            *((f"prompt for {key}", text) for key, text in named.by_class_question.items()),
            *((f"system prompt for class {key}", pair.system_prompt) for key, pair in named.by_class.items()),
            *((f"prompt for class {key}", pair.user_prompt) for key, pair in named.by_class.items()),
        ]
    return tuple(Prompt(what, text, hashlib.sha256(text.encode()).hexdigest()) for what, text in found if text)


def schema_digest(entry: TaskEntry) -> str | None:
    """sha256 of the schema that answers must follow; None without one."""
    schema = entry.response_schema
    text = json.dumps(schema, sort_keys=True, ensure_ascii=False) if isinstance(schema, dict) else schema
    return hashlib.sha256(text.encode()).hexdigest() if text else None


def environments(runs: Sequence[RunView]) -> tuple[Environment, ...]:
    """What really answered, each once."""
    found: dict[str, tuple[list[str], Mapping[str, object]]] = {}
    for run in runs:
        if run.environment:
            key = json.dumps(run.environment, sort_keys=True, default=str)
            found.setdefault(key, ([], run.environment))[0].append(run.name)
    return tuple(
        Environment(
            tuple(names),
            tuple(_flat({key: value for key, value in content.items() if key != "packages"}))[:_ENTRIES],
            tuple(_packages(content.get("packages")))[:_ENTRIES],
        )
        for names, content in found.values()
    )


def _packages(value: object) -> list[Fact]:
    if isinstance(value, dict):
        return [(str(name), str(number)) for name, number in sorted(value.items(), key=lambda item: str(item[0]))]
    if isinstance(value, list):
        pairs = (str(item).partition("==") for item in value)
        return sorted((name, number) for name, _, number in pairs)
    return []


def _flat(content: Mapping[str, object], prefix: str = "", depth: int = 0) -> list[Fact]:
    """Nested facts as dotted names."""
    facts: list[Fact] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < _DEPTH:
            facts += _flat(value, f"{name}.", depth + 1)
        elif value not in (None, "", []):
            facts.append((name, shown(str(key), value)))
    return facts
