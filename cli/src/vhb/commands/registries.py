"""`vhb models|tasks|metrics|datasets|environments list|show`: what is registered, and what an entry says."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vhb_shared.contracts.job import ModelEntry
    from vhb_shared.registry.plugins import PluginKind
    from vhb_shared.registry.registry import Registry

Beside = Annotated[
    Path | None,
    typer.Option("--beside", metavar="DIR", help="Also look into `registry/` in this folder, as for a job file there."),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True)


models = _group("Models that jobs can name.")
tasks = _group("Tasks that jobs can name.")
datasets = _group("Data sets that jobs can name, and readers of data formats.")
metrics = _group("Metrics: their definitions and options.")
environments = _group("Environments: where backends run.")


@models.command("list")
def list_models(beside: Beside = None) -> None:
    """List all models."""
    rows = []
    for name, known in _registry(beside).models.items():
        entry = known.entry
        about = (entry.description or "").partition(" Memory")[0]
        rows.append((name, entry.backend or "", entry.served_model, _needs(entry), known.origin, about))
    _table(("name", "backend", "model", "needs", "from", "description"), rows, spare=("from", "model", "backend"))


@models.command("show")
def show_model(name: NameArgument, beside: Beside = None) -> None:
    """Show one model's entry."""
    _yaml(_registry(beside).model(name))


@tasks.command("list")
def list_tasks(beside: Beside = None) -> None:
    """List all tasks."""
    rows = []
    for name, known in _registry(beside).tasks.items():
        entry = known.entry
        asked = ", ".join(metric.name for metric in entry.metrics)
        data = entry.dataset if isinstance(entry.dataset, str) else entry.dataset.source if entry.dataset else "(any)"
        rows.append((name, data, asked, known.origin, entry.description or ""))
    _table(("name", "dataset", "metrics", "from", "description"), rows, spare=("from",))


@tasks.command("show")
def show_task(name: NameArgument, beside: Beside = None) -> None:
    """Show one task's entry."""
    _yaml(_registry(beside).task(name))


@datasets.command("list")
def list_datasets(beside: Beside = None) -> None:
    """List all data sets, and the formats that can be read."""
    found = _registry(beside).datasets
    if not found:
        print("No data set is registered. A job names a folder or a file, in one of these formats:")
    else:
        _table(
            ("name", "source", "from", "description"),
            [(n, r.entry.source, r.origin, r.entry.description or "") for n, r in found.items()],
        )
    _plugins("datasets", "format")


@datasets.command("show")
def show_dataset(name: NameArgument, beside: Beside = None) -> None:
    """Show one data set's entry."""
    _yaml(_registry(beside).dataset(name))


@metrics.command("list")
def list_metrics(beside: Beside = None) -> None:
    """List all metrics."""
    from vhb_evaluator.metrics.registry import metric_class, metric_names, metric_package
    from vhb_shared.errors import UserError

    rows: list[tuple[str, ...]] = []
    for name in metric_names():
        try:
            found = metric_class(name)
            rows.append((name, found.version, found.direction, "evaluator", metric_package(name), found.summary))
        except UserError as error:
            rows.append((name, "", "", "", "", str(error)))
    for name, known in _registry(beside).metrics.items():
        entry = known.entry
        runs_in = entry.image or entry.environment
        rows.append((name, entry.version, entry.direction, runs_in, known.origin, entry.summary))
    _table(("name", "version", "better", "runs in", "from", "what"), rows, spare=("from", "version", "runs in"))


@metrics.command("show")
def show_metric(name: NameArgument, beside: Beside = None) -> None:
    """Show a metric's definition, options and source."""
    import inspect

    from vhb_evaluator.metrics.isolated import isolated_class
    from vhb_evaluator.metrics.registry import metric_class, metric_package
    from vhb_shared.jobs.metric_entries import contained_entry

    own = _registry(beside).metrics.get(name.lower())
    found = isolated_class(contained_entry(own.entry, beside)[0]) if own is not None else metric_class(name.lower())
    print(f"{found.name}@{found.version}: {found.summary}")
    print(f"better:         {found.direction}")
    print(f"groups:         {'pooled' if found.pooled else 'mean of samples'}")
    print(f"normalisation:  {found.normalisation}")
    print(f"profiles:       {', '.join(found.profiles) or 'none'}")
    print(f"source:         {found.source}")
    if own is None:
        print(f"package:        {metric_package(name)}")
    else:
        print(f"entry:          {own.origin}")
        print(f"runs in:        {own.entry.environment}{f' ({own.entry.image})' if own.entry.image else ''}")
        print(f"packages:       {', '.join(own.entry.packages) or 'none'}")
    print(f"\n{inspect.getdoc(found) or ''}")
    if found.options_type.model_fields:
        print("\noptions:")
    for key, field in found.options_type.model_fields.items():
        default = "required" if field.is_required() else f"{field.default!r}"
        print(f"  {field.alias or key} ({default}): {' '.join((field.description or '').split())}")


@environments.command("list")
def list_environments() -> None:
    """List where backends can run."""
    _plugins("environments", "environment")


@environments.command("show")
def show_environment(name: NameArgument) -> None:
    """Show what an environment can do."""
    from vhb_shared.environments.registry import environment_type

    kind = environment_type(name)
    _yaml(kind.capabilities)


def _needs(entry: "ModelEntry") -> str:
    """What a model needs of a host, in a few words."""
    wanted = entry.resources
    memory = "" if wanted.gpu_memory_gib is None else f" of {wanted.gpu_memory_gib:g} GiB"
    words = [f"{wanted.gpus} GPU{'s' * (wanted.gpus > 1)}{memory}"] if wanted.gpus else []
    words += [f"{wanted.memory_gib:g} GiB"] if wanted.memory_gib else []
    return ", ".join(words)


def _registry(beside: Path | None) -> "Registry":
    from vhb_shared.registry.registry import Registry

    return Registry.load(beside)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], spare: tuple[str, ...] = ()) -> None:
    """Prints rows by name; columns of `spare` are left out of a narrow window."""
    from rich.text import Text

    from vhb.screen import console, narrowed, table

    out, cells = console(), sorted(rows)
    kept = narrowed(out, columns, cells, spare)
    shown = table(*(columns[n] for n in kept))
    for row in cells:
        shown.add_row(*(Text(row[n]) for n in kept))
    out.print(shown)


def _plugins(kind: "PluginKind", column: str) -> None:
    from vhb_shared.registry.plugins import plugins

    _table((column, "package"), [(plugin.name, plugin.package) for plugin in plugins(kind)])


def _yaml(entry: object) -> None:
    import yaml
    from pydantic import BaseModel

    assert isinstance(entry, BaseModel)
    data = entry.model_dump(mode="json", exclude_unset=True) or entry.model_dump(mode="json")
    print(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), end="")
