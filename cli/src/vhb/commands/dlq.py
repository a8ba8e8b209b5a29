"""`vhb dlq`: messages given up on."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, Server, WorkdirOption

if TYPE_CHECKING:
    from nats.js.api import RawStreamMsg

    from vhb.connect import Connection

dlq = typer.Typer(help="Messages given up on: list, show, retry.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in `vhb dlq list`.", min=1)]


@dlq.command("list")
def list_(server: Server = None, workdir: WorkdirOption = DEFAULT_WORKDIR) -> None:
    """List the messages given up on, with the reason."""
    asyncio.run(_list(server, workdir))


@dlq.command()
def show(number: Number, server: Server = None, workdir: WorkdirOption = DEFAULT_WORKDIR) -> None:
    """Show one message whole."""
    asyncio.run(_show(number, server, workdir))


@dlq.command()
def retry(number: Number, server: Server = None, workdir: WorkdirOption = DEFAULT_WORKDIR) -> None:
    """Publish a message again where it came from, and take it off the list."""
    asyncio.run(_retry(number, server, workdir))


async def _list(server: str | None, workdir: Path) -> None:
    from rich.text import Text

    from vhb.connect import connected, settings
    from vhb.screen import console, table
    from vhb_shared.contracts import topology
    from vhb_shared.errors import UserError

    async with connected(settings(server, workdir)) as connection:
        state = (await connection.bus.js.stream_info(topology.DLQ)).state
        shown = table("number", "consumer", "subject", "reason", right=("number",))
        for number in range(state.first_seq, state.last_seq + 1) if state.messages else ():
            try:
                message = await _message(connection, number)
            except UserError:
                continue  # retried or expired
            headers = message.headers or {}
            consumer = (message.subject or "").rsplit(".", 1)[-1]
            reason = headers.get("vhb-reason", "")
            shown.add_row(str(number), consumer, headers.get("vhb-subject", ""), Text(reason))
        console().print(shown if shown.row_count else "Nothing was given up on.")


async def _show(number: int, server: str | None, workdir: Path) -> None:
    from vhb.connect import connected, settings

    async with connected(settings(server, workdir)) as connection:
        message = await _message(connection, number)
        body = (message.data or b"").decode(errors="replace")
        print(json.dumps({"subject": message.subject, "headers": message.headers, "body": body}, indent=2))


async def _retry(number: int, server: str | None, workdir: Path) -> None:
    import secrets

    from vhb.connect import connected, settings
    from vhb_shared.contracts import topology
    from vhb_shared.errors import UserError

    async with connected(settings(server, workdir)) as connection:
        message = await _message(connection, number)
        subject = (message.headers or {}).get("vhb-subject")
        if not subject:
            raise UserError(f"Message {number} does not say where it came from.")
        # A new id: the server would drop a repeat of the old one as a duplicate.
        headers = {"Nats-Msg-Id": f"dlq-retry:{number}:{secrets.token_hex(4)}", "content-type": "application/json"}
        await connection.bus.js.publish(subject, message.data or b"", headers=headers, timeout=5)
        await connection.bus.js.delete_msg(topology.DLQ, number)
        print(f"message {number} published again on {subject}")


async def _message(connection: "Connection", number: int) -> "RawStreamMsg":
    from nats.js.errors import NotFoundError

    from vhb_shared.contracts import topology
    from vhb_shared.errors import UserError

    try:
        return await connection.bus.js.get_msg(topology.DLQ, number)
    except NotFoundError:
        raise UserError(f"There is no message {number}; `vhb dlq list` shows them.") from None
