"""`vhb evaluate` and `vhb report`: one stage alone, on stored answers or results. Each is a job of its own."""

import asyncio
import re
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from vhb.connect import DEFAULT_WORKDIR, Server, SkipBadRows, WorkdirOption

if TYPE_CHECKING:
    from vhb.connect import Connection
    from vhb_shared.contracts.job import JobSpec, MetricSpec, ModelEntry, TaskEntry
    from vhb_shared.contracts.plan import Plan

_COMMA = re.compile(r",(?![^{]*\})")
"""Between names, not between the options of one."""
E = TypeVar("E", "ModelEntry", "TaskEntry")


class LanguageName(StrEnum):
    """Languages of reports."""

    EN = "en"
    RU = "ru"


def evaluate(
    answers: Annotated[
        str, typer.Argument(help="A job id, or a file of answers (id, model_answer).", metavar="JOB_ID|ANSWERS")
    ],
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            "-m",
            metavar="NAMES",
            help="Metrics, separated by commas or given several times; or a YAML file with `metrics:` as in a job.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="SOURCE",
            help="With a file of answers: the data they belong to (folder, file, address, registry name, "
            "sha256:<digest>).",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="With a file of answers: whose they are.")
    ] = "imported",
    skip_bad_rows: SkipBadRows = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.")] = None,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Score stored or imported answers with other metrics; nothing is asked again."""
    from vhb.outdir import check_writable

    check_writable(out)
    names = [name.strip() for item in metrics or [] for name in _COMMA.split(item) if name.strip()]
    raise typer.Exit(asyncio.run(_evaluate(answers, names, dataset, model, skip_bad_rows, out, server, workdir)))


def report(
    job_ids: Annotated[
        list[str], typer.Argument(metavar="JOB_ID", help="Jobs; several give one report over all their runs.")
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the report.")] = None,
    language: Annotated[
        LanguageName | None, typer.Option("--language", help="Of the report; else the one that the job names.")
    ] = None,
    images: Annotated[
        int | None,
        typer.Option("--images", min=0, metavar="N", help="Previews of images beside samples.html, at most."),
    ] = None,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Write the report anew from stored results; over several jobs, one report for all."""
    wanted = {"language": language.value if language else None, "images": images}
    changes = {key: value for key, value in wanted.items() if value is not None}
    from vhb.outdir import check_writable

    check_writable(out)
    raise typer.Exit(asyncio.run(_report(job_ids, changes, out, server, workdir)))


async def _evaluate(
    answers: str,
    metrics: list[str],
    dataset: str | None,
    model: str,
    skip_bad_rows: bool,
    out: Path | None,
    server: str | None,
    workdir: Path,
) -> int:
    from vhb.connect import connected, settings
    from vhb_shared.errors import UserError
    from vhb_shared.jobs.stored import evaluated_anew, plan_of

    if not metrics:
        raise UserError("Say which metrics: --metrics cer,wer (`vhb metrics list` shows them).")
    specs = tuple(spec for name in metrics for spec in _specs(name))
    if dataset is not None or Path(answers).suffix in (".csv", ".tsv", ".parquet"):
        if dataset is None:
            raise UserError(f"{answers} holds answers only: say which data they belong to, with --dataset.")
        spec = _of_file(Path(answers), dataset, model, specs).model_copy(update={"skip_bad_rows": skip_bad_rows})
        async with connected(settings(server, workdir)) as connection:
            return await _run(connection, spec, Path.cwd(), out)
    async with connected(settings(server, workdir)) as connection:
        spec = evaluated_anew(await plan_of(connection.states, connection.store, answers), specs)
        return await _run(connection, spec, None, out)


def _specs(named: str) -> "tuple[MetricSpec, ...]":
    """A metric by its name, or those of a file."""
    from vhb_shared.contracts.job import MetricList
    from vhb_shared.documents.check import check_document
    from vhb_shared.documents.read import read_document
    from vhb_shared.jobs.stored import metric_named

    if Path(named).suffix.lower() not in (".yaml", ".yml", ".json"):
        return (metric_named(named),)
    return check_document(read_document(Path(named), "file of metrics"), MetricList).metrics


async def _report(
    job_ids: list[str], changes: dict[str, str | int], out: Path | None, server: str | None, workdir: Path
) -> int:
    from vhb.connect import connected, settings
    from vhb_shared.contracts.job import ReportOptions
    from vhb_shared.jobs.stored import plan_of

    async with connected(settings(server, workdir)) as connection:
        plans = [await plan_of(connection.states, connection.store, job_id) for job_id in dict.fromkeys(job_ids)]
        spec = _of_results(plans)
        options = ReportOptions.model_validate(plans[0].spec.report.model_dump() | changes)
        return await _run(connection, spec.model_copy(update={"report": options}), None, out)


def _of_file(file: Path, dataset: str, model: str, metrics: "tuple[MetricSpec, ...]") -> "JobSpec":
    from pydantic import ValidationError

    from vhb_shared.contracts.job import JobSpec, ModelEntry, RunEntry, TaskEntry
    from vhb_shared.errors import UserError

    try:
        entry = ModelEntry(name=model, backend="imported")
    except ValidationError:
        raise UserError(
            f"--model {model[:100]!r}: expected a name of at most 200 characters without slashes and control "
            "characters: write it otherwise, as in org-model."
        ) from None
    task = TaskEntry(name=_last_part(dataset), dataset=dataset, metrics=metrics, answers=str(file))
    return JobSpec(
        name=f"evaluate {file.name}"[:100],
        models=(entry,),
        tasks=(task,),
        runs=(RunEntry(model=model, task=task.name),),
        stages=("evaluation", "reporting"),
    )


def _last_part(source: str) -> str:
    """What a task on these data is called. Of an address nothing behind `?` or `#`, where secrets and hashes stand."""
    if "://" in source:
        source = source.partition("?")[0].partition("#")[0]
    name = "".join(each for each in PurePosixPath(source).name if each.isprintable() and each != "\\")
    return name[:200] or "data"


def _of_results(plans: "list[Plan]") -> "JobSpec":
    """The runs of all plans, as they are."""
    from vhb_shared.contracts.job import JobSpec, ModelEntry, RunEntry, TaskEntry

    models: dict[str, ModelEntry] = {}
    tasks: dict[str, TaskEntry] = {}
    entries: list[RunEntry] = []
    names: set[str] = set()
    for plan in plans:
        for run in plan.runs:
            # The results carry their own model and task; these entries only have to be consistent within this job.
            model, task = _distinct(run.model, models), _distinct(run.task, tasks)
            name = run.name if run.name not in names else f"{run.name} ({plan.job_id})"
            names.add(name)
            entries.append(RunEntry(model=model.name, task=task.name, name=name, results=f"run:{run.results_run_id}"))
    return JobSpec(
        name=" and ".join(dict.fromkeys(plan.spec.name for plan in plans))[:100],
        models=tuple(models.values()),
        tasks=tuple(tasks.values()),
        runs=tuple(entries),
        stages=("reporting",),
    )


def _distinct(entry: E, known: dict[str, E]) -> E:
    name, count = entry.name, 1
    while name in known and known[name] != entry.model_copy(update={"name": name}):
        count += 1
        name = f"{entry.name} #{count}"
    known.setdefault(name, entry.model_copy(update={"name": name}))
    return known[name]


async def _run(connection: "Connection", spec: "JobSpec", base_dir: Path | None, out: Path | None) -> int:
    from vhb.ending import finish
    from vhb.screen import console, say
    from vhb_shared.jobs import submission
    from vhb_shared.jobs.load import LoadedJob
    from vhb_shared.jobs.strangers import left_out_answers
    from vhb_shared.jobs.validate import validate_job
    from vhb_shared.registry.registry import Registry

    registry = Registry.load(Path.cwd())
    validate_job(spec, registry)
    loaded = LoadedJob(spec=spec, base_dir=base_dir)
    bundled = await submission.self_contained(loaded, registry, connection.store, lambda line: None)
    screen = console(stderr=True)
    for line in await left_out_answers(bundled, connection.store):
        say(screen, line, "yellow")
    job_id = submission.new_job_id(spec.name)
    await submission.submit(connection.bus, connection.store, bundled, job_id)
    print(job_id, flush=True)
    return await finish(connection, job_id, out, screen)
