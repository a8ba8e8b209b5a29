"""`vhb api`: the management plane's database."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, Server, WorkdirOption

if TYPE_CHECKING:
    from vhb_api.settings import ApiSettings

api = typer.Typer(help="The management plane: its database.", no_args_is_help=True)

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Default: VHB_API_DATABASE, else that of the stack in the working directory.",
    ),
]


@api.command()
def rebuild(database: DatabaseOption = None, server: Server = None, workdir: WorkdirOption = DEFAULT_WORKDIR) -> None:
    """Make the database anew from the event stream and from object storage."""
    from vhb.connect import settings
    from vhb.quiet import log_warnings_only
    from vhb_api.rebuilding import rebuild as work

    log_warnings_only()
    bus, store = settings(server, workdir)
    count = asyncio.run(work(bus, store, _settings(database, workdir)))
    print(f"The database was made anew from {count} events.")


def _settings(database: str | None, workdir: Path) -> "ApiSettings":
    import os

    from vhb.embedded.workdir import Workdir
    from vhb_api.settings import ApiSettings

    if database is None and not os.environ.get("VHB_API_DATABASE"):
        database = Workdir(workdir).api_database
    return ApiSettings(database=database) if database is not None else ApiSettings()
