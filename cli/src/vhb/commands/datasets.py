"""`vhb datasets push|inspect|preview`: a data set looked at, and stored, before a job uses it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.commands.registries import Beside, datasets
from vhb.connect import DEFAULT_WORKDIR, Server, WorkdirOption

if TYPE_CHECKING:
    from vhb_shared.contracts.dataset import DatasetSource
    from vhb_shared.datasets.describe import Description
    from vhb_shared.settings import StoreSettings
    from vhb_shared.store.base import ObjectStore

__all__ = ("datasets",)

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="Folder, file, address (hf://, s3://, https://), registry name, or sha256:<digest>."
    ),
]
Split = Annotated[str | None, typer.Option("--split", metavar="NAME", help="Only this split.")]
Config = Annotated[str | None, typer.Option("--config", metavar="NAME", help="Configuration of a hub data set.")]
Reader = Annotated[str | None, typer.Option("--reader", metavar="NAME", help="Who reads it.")]


@datasets.command("push")
def push(
    source: Source,
    split: Split = None,
    config: Config = None,
    reader: Reader = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", metavar="", help="Leave bad rows out instead of refusing.")
    ] = False,
    beside: Beside = None,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Store a data set; prints sha256:<digest>, which jobs can name as their `dataset`."""
    how = _meant(source, beside, split, config, reader)
    asyncio.run(_push(how, skip_bad_rows, server, workdir))


@datasets.command("inspect")
def inspect(
    source: Source,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="For programs.")] = False,
    split: Split = None,
    config: Config = None,
    reader: Reader = None,
    beside: Beside = None,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Read a whole data set and say what is in it; nothing is stored. Exit code 1 when it has bad rows."""
    how = _meant(source, beside, split, config, reader)
    found = asyncio.run(_inspect(how, server, workdir))
    if as_json:
        print(found.model_dump_json())
    else:
        _show(source, found)
    raise typer.Exit(1 if found.bad_rows else 0)


@datasets.command("preview")
def preview(
    source: Source,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where to.")] = Path("preview.html"),
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, metavar="N", help="How many samples.")] = 24,
    split: Split = None,
    config: Config = None,
    reader: Reader = None,
    beside: Beside = None,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Write a picture sheet of the first samples: one HTML file with thumbnails, questions and answers."""
    how = _meant(source, beside, split, config, reader)
    asyncio.run(_preview(source, how, out, limit, server, workdir))
    print(out)


def _meant(
    source: str, beside: Path | None, split: str | None, config: str | None, reader: str | None
) -> "DatasetSource":
    from vhb_shared.contracts.dataset import DatasetSource
    from vhb_shared.errors import UserError
    from vhb_shared.registry.registry import Registry

    if not source:
        raise UserError("SOURCE is empty: name a folder, a file, an address or a registry entry.")
    said = {"split": split, "config": config, "reader": reader}
    given = {name: value for name, value in said.items() if value is not None}
    return Registry.load(beside).resolve_dataset(DatasetSource.model_validate({"source": source, **given}))


def _stored(how: "DatasetSource") -> bool:
    from vhb_shared.datasets.pin import PINNED

    return how.source.startswith(PINNED)


async def _push(how: "DatasetSource", skip_bad_rows: bool, server: str | None, workdir: Path) -> None:
    from vhb.screen import console
    from vhb_shared.datasets.pin import PINNED, pin_dataset
    from vhb_shared.store.open import open_store

    screen = console(stderr=True)
    async with open_store(_storage(server, workdir)) as store:
        with screen.status("reading data") as status:
            ref = await pin_dataset(
                how,
                None,
                store,
                skip_bad_rows=skip_bad_rows,
                on_progress=lambda done, total: status.update(
                    f"reading data: {done}" + (f" of {total}" if total else "")
                ),
                on_bytes=lambda done, _: status.update(f"fetching data: {done / 1e6:,.0f} MB"),
            )
    print(f"{PINNED}{ref.digest}")


async def _inspect(how: "DatasetSource", server: str | None, workdir: Path) -> "Description":
    from vhb.inspection import inspect_source, inspect_stored
    from vhb.screen import console
    from vhb_shared.datasets.pin import PINNED
    from vhb_shared.store.open import open_store

    if _stored(how):
        async with open_store(_storage(server, workdir)) as store:
            return await inspect_stored(how.source.removeprefix(PINNED), store)
    with console(stderr=True).status("reading data") as status:
        return await inspect_source(
            how,
            lambda done, _: status.update(f"fetching data: {done / 1e6:,.0f} MB"),
            lambda done, _: status.update(f"reading data: {done} rows"),
        )


async def _preview(source: str, how: "DatasetSource", out: Path, limit: int, server: str | None, workdir: Path) -> None:
    from vhb.inspection import first_samples, scratch
    from vhb.picture_sheet import write_sheet
    from vhb.screen import console
    from vhb_shared.datasets.pin import PINNED, load_pinned
    from vhb_shared.errors import UserError
    from vhb_shared.store.open import open_store

    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}")
    async with AsyncExitStack() as opened:
        store: ObjectStore | None = None
        boxes = how.box_format
        if _stored(how):
            store = await opened.enter_async_context(open_store(_storage(server, workdir)))
            boxes = (await load_pinned(how.source.removeprefix(PINNED), store)).box_format
        work = opened.enter_context(scratch())
        with console(stderr=True).status("reading data") as status:
            rows = await first_samples(
                how, limit, work, store, lambda done, _: status.update(f"fetching data: {done / 1e6:,.0f} MB")
            )
        try:
            await asyncio.to_thread(write_sheet, out, source, rows, boxes)
        except OSError as error:
            raise UserError(f"--out {out}: cannot be written ({error.strerror})") from error


def _storage(server: str | None, workdir: Path) -> "StoreSettings":
    """Storage alone: of the running stack, else what VHB_S3_* or VHB_STORE_DIR names; no bus is needed."""
    from vhb.connect import settings
    from vhb_shared.bus.connection import Unreachable
    from vhb_shared.settings import StoreSettings

    try:
        return settings(server, workdir)[1]
    except Unreachable:
        store = StoreSettings()
        if store.s3_endpoint or store.store_dir:
            return store
        raise


def _show(source: str, found: "Description") -> None:
    from rich.text import Text

    from vhb.screen import console, say, table

    out = console()
    say(out, source, "bold")
    facts = {
        "digest": f"sha256:{found.digest}",
        "samples": f"{found.samples:,}",
        "bad rows": f"{found.bad_rows:,}",
        "documents": f"{found.documents:,}",
        "images": f"{found.images:,} different, {_range(found.images_per_sample)} a sample",
        "references": f"{_range(found.references_per_sample)} a sample",
        "boxes": found.box_format or ("order unknown" if "answer_bbox" in found.filled else "none"),
    }
    if (sizes := found.sizes) is not None and sizes.smallest and sizes.largest:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sizes.formats.items())
        smallest, largest = (f"{width} x {height}" for width, height in (sizes.smallest, sizes.largest))
        facts["image sizes"] = f"{smallest} to {largest} pixels, {sizes.bytes / 1e6:,.1f} MB in all ({kinds})"
    shown = table("what", "found")
    for name, value in facts.items():
        shown.add_row(name, Text(value))
    out.print(shown)
    columns = table("column", "samples", right=("samples",))
    for name, count in (*found.filled.items(), *((f"fields: {name}", n) for name, n in found.fields.items())):
        columns.add_row(Text(name), f"{count:,}")
    out.print(columns)
    for name, values in found.values.items():
        counted = table(name, "samples", right=("samples",))
        for value, count in values.items():
            counted.add_row(Text(value), f"{count:,}")
        if found.distinct[name] > len(values):
            counted.add_row(f"and {found.distinct[name] - len(values)} more", "")
        out.print(counted)
    for problem in found.bad_first:
        say(out, problem, "red")


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
