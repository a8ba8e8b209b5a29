"""What was run: models, tasks, prompts and data, complete enough to run it again."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.language import noted
from vhb_reporter.model import Report
from vhb_reporter.provenance import Prompt, metric_settings, model_settings, prompts, schema_digest, task_settings
from vhb_reporter.sections.template import TemplateSection
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef

_TEXT_LIMIT = 2000


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
    settings: tuple[tuple[str, str], ...]
    """By the names of the job file."""
    prompts: tuple[Prompt, ...]
    more_prompts: int
    schema_digest: str | None


class Setup(TemplateSection):
    """Models with their settings, tasks with their prompts, data sets with their digests."""

    name: ClassVar[str] = "setup"
    title: ClassVar[str] = noted("What was run")
    order: ClassVar[int] = 900

    def context(self, report: Report) -> Mapping[str, object]:
        models = {run.spec.model.model_dump_json(): run.spec.model for run in report.runs}
        tasks: dict[tuple[str, str], Task] = {}
        for run in report.runs:
            key = run.spec.task.model_dump_json(), run.spec.dataset.digest
            tasks.setdefault(key, _task(run.spec.task, run.spec.dataset, run.spec.samples))
        return {
            "models": [Model(entry, model_settings(entry)) for entry in models.values()],
            "tasks": list(tasks.values()),
            "datasets": list({run.spec.dataset.digest: run.spec.dataset for run in report.runs}.values()),
            "text_limit": _TEXT_LIMIT,
        }


def _task(entry: TaskEntry, dataset: DatasetRef, samples: int) -> Task:
    found = prompts(entry)
    return Task(
        entry=entry,
        dataset=dataset,
        samples=samples,
        metrics=tuple(map(metric_settings, entry.metrics)),
        settings=task_settings(entry),
        prompts=found[:12],
        more_prompts=max(len(found) - 12, 0),
        schema_digest=schema_digest(entry),
    )
