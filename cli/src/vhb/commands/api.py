"""`vhb api`: the management plane's database and tokens."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, Server, WorkdirOption

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vhb_api.access.tokens import Tokens
    from vhb_api.settings import ApiSettings

api = typer.Typer(help="The management plane: its database, its tokens.", no_args_is_help=True)


class RoleName(StrEnum):
    """What a token may."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    ADMIN = "admin"


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
    count = asyncio.run(work(bus, store, settings_of(database, workdir)))
    print(f"The database was made anew from {count} events.")


token = typer.Typer(help="Tokens of the REST interface: create, list, revoke.", no_args_is_help=True)
api.add_typer(token, name="token")


@token.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, for the list and the audit log.")],
    role: Annotated[RoleName, typer.Option("--role", help="What it may.")] = RoleName.VIEWER,
    database: DatabaseOption = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Make a token; prints it alone, this once."""
    from vhb_shared.errors import Conflict, UserError

    async def work(tokens: "Tokens") -> None:
        try:
            print(await asyncio.to_thread(tokens.make, name, role.value))
        except Conflict as error:
            raise UserError(f"The name {name!r} is taken already: choose another one ({error}).") from None

    asyncio.run(_with_tokens(work, database, workdir))


@token.command("list")
def list_(database: DatabaseOption = None, workdir: WorkdirOption = DEFAULT_WORKDIR) -> None:
    """List the tokens, without the tokens themselves."""

    async def work(tokens: "Tokens") -> None:
        from rich.text import Text

        from vhb.screen import console, table

        shown = table("id", "name", "role", "made", "revoked")
        for row in await asyncio.to_thread(tokens.all):
            revoked = f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at is not None else ""
            shown.add_row(row.token_id, Text(row.name), row.role, f"{row.created_at:%Y-%m-%d %H:%M}", revoked)
        console().print(shown if shown.row_count else "There is no token.")

    asyncio.run(_with_tokens(work, database, workdir))


@token.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Its id in `vhb api token list`.")],
    database: DatabaseOption = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """End a token at once."""
    from vhb_shared.errors import NotFound, UserError

    async def work(tokens: "Tokens") -> None:
        try:
            await asyncio.to_thread(tokens.revoke, token_id)
        except NotFound:
            raise UserError(f"There is no token {token_id}; `vhb api token list` shows them.") from None

    asyncio.run(_with_tokens(work, database, workdir))


async def _with_tokens(work: "Callable[[Tokens], Awaitable[None]]", database: str | None, workdir: Path) -> None:
    from vhb.quiet import log_warnings_only
    from vhb_api.access.tokens import Tokens
    from vhb_api.app import opened_database

    log_warnings_only()
    async with opened_database(settings_of(database, workdir)) as opened:
        await work(Tokens(opened))


def settings_of(database: str | None, workdir: Path) -> "ApiSettings":
    """Which database is meant: one that is named, else VHB_API_DATABASE, else that of the working directory's stack."""
    import os

    from vhb.embedded.workdir import Workdir
    from vhb_api.settings import ApiSettings

    if database is None and not os.environ.get("VHB_API_DATABASE"):
        database = Workdir(workdir).api_database
    return ApiSettings(database=database) if database is not None else ApiSettings()
