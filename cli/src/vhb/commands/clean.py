"""`vhb clean`: what the working directory and the caches hold, and frees it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, WorkdirOption


def clean(
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    yes: Annotated[
        bool, typer.Option("--yes", metavar="", help="Remove the working directory: jobs, stored results, data.")
    ] = False,
    environments: Annotated[
        bool,
        typer.Option(
            "--environments", metavar="", help="With --yes: remove the built environments of backends and metrics too."
        ),
    ] = False,
    sources: Annotated[
        bool,
        typer.Option("--sources", metavar="", help="With --yes: remove data sets that were fetched or unpacked too."),
    ] = False,
) -> None:
    """Show what the working directory and the caches hold; with --yes, free it.

    Results folders are never touched.
    """
    from vhb.embedded.workdir import Workdir, user_cache
    from vhb_shared.errors import UserError
    from vhb_shared.settings import SOURCE_KINDS, SourceSettings

    directory = Workdir(workdir)
    built = user_cache() / "environments"
    fetched = SourceSettings().sources_directory()
    for path, what in (
        *_stored(directory.objects),
        (directory.nats, "jobs and events"),
        (directory.checkpoints, "answers of shards in flight"),
        (directory.root / "agents", "files of agents"),
        (directory.root / "cache", "copies of objects"),
        (directory.logs, "logs of the services"),
        (built, "environments of backends and metrics (shared)"),
        *((fetched / kind, f"data sets, {what} (shared)") for kind, what in SOURCE_KINDS.items()),
    ):
        if path.exists():
            print(f"{_size(path):>10}  {path}  {what}")
    if not directory.root.exists():
        print(f"There is no working directory {workdir}.")
    if not yes:
        print(
            "Nothing was removed; `vhb clean --yes` frees the working directory, --environments and --sources the "
            "shared caches too."
        )
        return
    if directory.root.exists():
        if not (directory.root / "lock").exists():
            raise UserError(
                f"{directory.root} is not a working directory of vhb (it has no lock file); nothing was removed."
            )
        with directory.locked():
            shutil.rmtree(directory.root)
    if environments:
        shutil.rmtree(built, ignore_errors=True)
    if sources:
        for kind in SOURCE_KINDS:  # VHB_SOURCES_DIR may name a folder that holds more
            shutil.rmtree(fetched / kind, ignore_errors=True)
    print("Freed.")


def _stored(objects: Path) -> Iterator[tuple[Path, str]]:
    """What is in object storage, by how its keys begin."""
    from vhb_shared.store.layout import PREFIXES

    if objects.exists():
        for folder in sorted(objects.iterdir()):
            known = "objects being written" if folder.name.startswith(".") else "objects that are not known"
            yield folder, PREFIXES.get(folder.name, known)


def _size(path: Path) -> str:
    total = sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    amount = float(total)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("unreachable")
