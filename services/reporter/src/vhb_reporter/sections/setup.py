"""What was run: models, tasks, prompts and data, complete enough to run it again."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from vhb_reporter.model import Report
from vhb_reporter.sections.template import TemplateSection
from vhb_shared.contracts.job import ModelEntry, PromptSet, TaskEntry
from vhb_shared.contracts.plan import DatasetRef

_SECRET = re.compile(
    r"(?i)(api[-_]?key|secret|passw|credential|authorization|bearer|(^|hf|access|auth|api)[-_]?token$)"
)
_TEXT_LIMIT = 2000


class Prompt(NamedTuple):
    """A prompt's text, and the start of its sha256 to tell it from a similar one."""

    what: str
    text: str
    digest: str


class Model(NamedTuple):
    """One model entry."""

    entry: ModelEntry
    settings: tuple[tuple[str, str], ...]


class Task(NamedTuple):
    """One task entry with the data it is asked on."""

    entry: TaskEntry
    dataset: DatasetRef
    samples: int
    metrics: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    more_prompts: int
    schema_digest: str | None


class Setup(TemplateSection):
    """Models with their settings, tasks with their prompts, data sets with their digests."""

    name: ClassVar[str] = "setup"
    title: ClassVar[str] = "What was run"
    order: ClassVar[int] = 900

    def context(self, report: Report) -> Mapping[str, object]:
        models = {run.spec.model.model_dump_json(): run.spec.model for run in report.runs}
        tasks: dict[tuple[str, str], Task] = {}
        for run in report.runs:
            key = run.spec.task.model_dump_json(), run.spec.dataset.digest
            tasks.setdefault(key, _task(run.spec.task, run.spec.dataset, run.spec.samples))
        return {
            "models": [Model(entry, _settings(entry)) for entry in models.values()],
            "tasks": list(tasks.values()),
            "datasets": list({run.spec.dataset.digest: run.spec.dataset for run in report.runs}.values()),
            "text_limit": _TEXT_LIMIT,
        }


def _settings(entry: ModelEntry) -> tuple[tuple[str, str], ...]:
    """What the entry says beyond defaults, as text; secrets and the credentials in a URL are not repeated."""
    said: dict[str, object] = {
        "backend": entry.backend,
        "model": entry.served_model,
        "revision": entry.revision,
        "environment": entry.environment,
        "image": entry.image,
        "base URL": entry.base_url,
        "API key from": entry.api_key_env,
        "packages": ", ".join(entry.packages),
        "replicas": entry.replicas if entry.replicas != 1 else None,
        "requests in flight, at most": entry.concurrency,
        "streaming": "yes" if entry.stream else "no",
    }
    said |= {f"engine: {name}": value for name, value in entry.engine_args.items()}
    generation = entry.generation.model_dump(exclude={"extra"}, exclude_none=True)
    said |= {f"generation: {name}": value for name, value in generation.items() if value != ()}
    said |= {f"generation: {name}": value for name, value in entry.generation.extra.items()}
    said |= {f"resources: {name}": value for name, value in entry.resources.model_dump(exclude_defaults=True).items()}
    said |= {f"retries: {name}": value for name, value in entry.retries.model_dump(exclude_defaults=True).items()}
    return tuple((name, shown(name, value)) for name, value in said.items() if value not in (None, "", {}, []))


def shown(name: str, value: object) -> str:
    """A setting's value as text; of a secret only that it was set."""
    if _SECRET.search(name.rsplit(": ", 1)[-1]):
        return "(set, not shown)" if name != "API key from" else str(value)
    if name in ("base URL", "base_url") and isinstance(value, str):
        return _public_url(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _public_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        netloc = f"[{host}]" if ":" in host else host
        return urlunsplit((parts.scheme, netloc + (f":{parts.port}" if parts.port else ""), parts.path, "", ""))
    except ValueError:
        return "(not a URL)"


def _task(entry: TaskEntry, dataset: DatasetRef, samples: int) -> Task:
    prompts = _prompts(entry)
    schema = entry.response_schema
    text = json.dumps(schema, sort_keys=True, ensure_ascii=False) if isinstance(schema, dict) else schema
    return Task(
        entry=entry,
        dataset=dataset,
        samples=samples,
        metrics=tuple(
            metric.name + "".join(f", {option}" for option in (metric.normalisation, metric.profile) if option)
            for metric in entry.metrics
        ),
        prompts=tuple(prompts[:12]),
        more_prompts=max(len(prompts) - 12, 0),
        schema_digest=hashlib.sha256(text.encode()).hexdigest() if text else None,
    )


def _prompts(entry: TaskEntry) -> list[Prompt]:
    found: list[tuple[str, str | None]] = [("system prompt", entry.system_prompt), ("prompt", entry.prompt)]
    if isinstance(entry.prompts, PromptSet):
        named = entry.prompts
        found += [
            ("fixed system prompt", named.fixed_system_prompt),
            ("fixed prompt", named.fixed_prompt),
            ("system prompt", named.system_prompt),
            ("prompt", named.user_prompt),
            *((f"prompt for {key}", text) for key, text in named.by_class_question.items()),
            *((f"system prompt for class {key}", pair.system_prompt) for key, pair in named.by_class.items()),
            *((f"prompt for class {key}", pair.user_prompt) for key, pair in named.by_class.items()),
        ]
    return [Prompt(what, text, hashlib.sha256(text.encode()).hexdigest()) for what, text in found if text]
