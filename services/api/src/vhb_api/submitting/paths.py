"""Which files and addresses a job may name. Whoever submits is not who runs the service: what the service can read is
not for them, but for the files below one folder that is."""

from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.contracts.job import JobSpec, MetricSpec, PromptSet, TaskEntry
from vhb_shared.datasets.pin import PINNED
from vhb_shared.documents.base import Loc
from vhb_shared.errors import UserError
from vhb_shared.jobs.load import LoadedJob
from vhb_shared.jobs.runs import STORED_KEY, STORED_RUN
from vhb_shared.registry.registry import Registry

_TEXTS = (".txt", ".md")
_IMPORTS = "imports/"


def check_paths(loaded: LoadedJob, registry: Registry, folder: Path | None, sources: tuple[str, ...]) -> None:
    """Refuses a job that names what it may not.

    Args:
        loaded: a valid job.
        registry: entries of it are the administrator's, and name what they like.
        folder: below which files may lie; None: files may not be named.
        sources: kinds of address that data sets may be fetched from.

    Raises:
        UserError: every such place.
    """
    problems = [
        f"{loaded.where(loc)}: {problem}"
        for loc, problem in (*_datasets(loaded.spec, registry, folder, sources), *_files(loaded.spec, folder))
    ]
    if problems:
        raise UserError(problems[0] if len(problems) == 1 else "the job names what it may not", tuple(problems))


def beyond(named: str, folder: Path | None) -> str | None:
    """Why a file may not be named; None where it may."""
    if folder is None:
        return f"names the file {named!r}, and files cannot be named here: upload them, or use `vhb submit`"
    parts = PurePath(named).parts + PurePosixPath(named.replace("\\", "/")).parts
    if PurePath(named).is_absolute() or named.startswith(("~", "/", "\\")) or ".." in parts:
        return f"names {named!r}: name a file below the folder of the files, by a relative path without `..`"
    if not (folder / named).resolve().is_relative_to(folder.resolve()):
        return f"names {named!r}, which leads out of the folder of the files"
    return None


def _datasets(
    spec: JobSpec, registry: Registry, folder: Path | None, sources: tuple[str, ...]
) -> Iterator[tuple[Loc, str]]:
    for n, task in enumerate(spec.tasks):
        named = [(("tasks", n, "dataset"), task.dataset)]
        if task.few_shot is not None and task.few_shot.dataset != "same":
            named.append((("tasks", n, "few_shot"), task.few_shot.dataset))
        for loc, dataset in named:
            problem = _dataset(dataset, registry, folder, sources) if dataset is not None else None
            if problem:
                yield loc, problem


def _dataset(
    named: str | DatasetSource, registry: Registry, folder: Path | None, sources: tuple[str, ...]
) -> str | None:
    source = named if isinstance(named, str) else named.source
    if source in registry.datasets or source.startswith(PINNED):
        return None
    scheme, separator, _ = source.partition("://")
    if separator:
        if scheme.lower() in sources:
            return None
        return f"names an address of the kind {scheme!r}, which data sets are not fetched from here"
    return beyond(source, folder)


def _files(spec: JobSpec, folder: Path | None) -> Iterator[tuple[Loc, str]]:
    for n, task in enumerate(spec.tasks):
        for loc, named in _of_task(task, ("tasks", n)):
            problem = beyond(named, folder)
            if problem:
                yield loc, problem
    places: list[tuple[Loc, str | None]] = [
        (("tasks", n, "answers"), task.answers) for n, task in enumerate(spec.tasks)
    ]
    places += [(("runs", n, "answers"), run.answers) for n, run in enumerate(spec.runs)]
    for loc, answers in places:
        if answers is None or answers.startswith(STORED_RUN):
            continue
        if answers.startswith(STORED_KEY):
            if not answers.removeprefix(STORED_KEY).startswith(_IMPORTS):
                yield loc, f"names the object {answers!r}, which holds no answers"
        elif problem := beyond(answers, folder):
            yield loc, problem


def _of_task(task: TaskEntry, loc: Loc) -> Iterator[tuple[Loc, str]]:
    yield from _prompts(task.prompts, (*loc, "prompts"))
    for name, prompts in task.prompt_sets.items():
        yield from _prompts(prompts, (*loc, "prompt_sets", name))
    if task.system_prompt is not None and _is_file(task.system_prompt):
        yield (*loc, "system_prompt"), task.system_prompt.strip()
    if isinstance(task.response_schema, str):
        yield (*loc, "response_schema"), task.response_schema
    for n, metric in enumerate(task.metrics):
        yield from _of_metric(metric, (*loc, "metrics", n))


def _prompts(prompts: str | PromptSet | None, loc: Loc) -> Iterator[tuple[Loc, str]]:
    if isinstance(prompts, str):
        yield loc, prompts
    elif prompts is not None:
        pairs = (pair.system_prompt for pair in prompts.by_class.values())
        for text in (prompts.fixed_system_prompt, prompts.system_prompt, *pairs):
            if text is not None and _is_file(text):
                yield loc, text.strip()


def _of_metric(metric: MetricSpec, loc: Loc) -> Iterator[tuple[Loc, str]]:
    entry = metric.entry
    if entry is None:
        return
    if entry.path is not None and not entry.path.startswith(PINNED):
        yield loc, entry.path
    if entry.lock is not None and "\n" not in entry.lock and "--hash" not in entry.lock:
        yield loc, entry.lock


def _is_file(text: str) -> bool:
    """Whether a text may be taken for the name of a text file; see `read_system_prompt`."""
    name = text.strip()
    return "\n" not in name and name.lower().endswith(_TEXTS)
