"""`vhb up`: the embedded stack, kept running."""

import asyncio
import math
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, WorkdirOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from vhb.embedded.stack import Counts
    from vhb.embedded.workdir import Workdir

LISTENS_S = 30.0
_DOES = {
    "nats-server": "carries messages and keeps state",
    "agent": "runs models",
    "scheduler": "plans jobs",
    "evaluator": "scores answers",
    "reporter": "writes reports",
    "api": "serves the REST interface and the web page",
}
"""What each process is there for."""


def up(
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    nats_port: Annotated[
        int | None,
        typer.Option(
            "--nats-port", min=1, max=65535, metavar="N", help="Port of the NATS server; default: a free one."
        ),
    ] = None,
    agents: Annotated[int, typer.Option("--agents", min=0, max=64, metavar="N", help="Inference agents.")] = 1,
    evaluators: Annotated[int, typer.Option("--evaluators", min=1, max=64, metavar="N", help="Evaluators.")] = 1,
    reporters: Annotated[int, typer.Option("--reporters", min=1, max=64, metavar="N", help="Reporters.")] = 1,
    schedulers: Annotated[int, typer.Option("--schedulers", min=1, max=8, metavar="N", help="Schedulers.")] = 1,
    api: Annotated[
        bool, typer.Option("--api/--no-api", help="The REST interface and its database, on this machine only.")
    ] = True,
    api_port: Annotated[
        int | None,
        typer.Option(
            "--api-port", min=1, max=65535, metavar="N", help="Port of that interface; default: 8477, or a free one."
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the web page, where a person sits at a desktop.")
    ] = True,
) -> None:
    """Keep server and services running on this machine until Ctrl-C; jobs and results survive.

    Prints one line with the NATS URL and the credentials file when it is ready, and opens the web page.
    """
    from vhb.embedded.stack import Counts
    from vhb.quiet import log_warnings_only

    log_warnings_only()
    counts = Counts(agents=agents, evaluators=evaluators, reporters=reporters, schedulers=schedulers, api=api)
    raise typer.Exit(asyncio.run(_up(workdir, nats_port, api_port, counts, browser)))


async def _up(workdir: Path, nats_port: int | None, api_port: int | None, counts: "Counts", browser: bool) -> int:
    from vhb.embedded.stack import EmbeddedStack
    from vhb.embedded.workdir import Workdir

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stop.set)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def started(name: str) -> None:
        # For who waits at a terminal; programs wait for "ready".
        if sys.stderr.isatty():
            say(f"started {name:<12} {_DOES[name if name in _DOES else name.rpartition('-')[0]]}")

    place = Workdir(workdir)
    async with EmbeddedStack(
        place, nats_port=nats_port, api_port=api_port, counts=counts, say=say, started=started
    ) as stack:
        assert stack.address is not None
        print(f"ready: {stack.address.nats_url} credentials {stack.address.nats_creds}", flush=True)
        saying = asyncio.create_task(_say_interface(place, api_port, say, browser)) if counts.api else None
        await stop.wait()
        if saying is not None:
            saying.cancel()
    return 0


async def _say_interface(workdir: "Workdir", api_port: int | None, say: "Callable[[str], None]", browser: bool) -> None:
    """Where the page is, the first token, once, and the page itself in a browser."""
    from vhb.commands.api import settings_of
    from vhb.embedded.page import is_built, open_page
    from vhb.embedded.ports import USUAL_PORT
    from vhb_api.access.sessions import Sessions
    from vhb_api.access.tokens import Tokens
    from vhb_api.app import opened_database
    from vhb_shared.errors import VhbError

    told = asyncio.get_running_loop().time() + LISTENS_S
    while not workdir.api_address.exists():
        await asyncio.sleep(0.1)  # another process writes it
        if asyncio.get_running_loop().time() > told:
            say(f"The REST interface does not listen yet; its log: {workdir.logs / 'api.log'}")
            told = math.inf
    address = workdir.api_address.read_text()
    usual = address.endswith(f":{USUAL_PORT}") or api_port is not None or "VHB_API_PORT" in os.environ
    another = "" if usual else f"; the usual port, {USUAL_PORT}, is taken"
    say(f"REST interface: {address}/api/v1 (docs/api.md{another})")
    try:
        async with opened_database(settings_of(None, workdir.root)) as database:
            tokens = Tokens(database)
            token = await asyncio.to_thread(tokens.first)
            if token is not None:
                say(f"Its administrator's token, shown this once: {token}")
            if not is_built():
                say("The web page is not built: `make web` builds it.")
                return
            owner = await asyncio.to_thread(tokens.owner)
            if owner is None:
                say(f"Web page: {address}")
                return
            code = await asyncio.to_thread(Sessions(database).code, owner)
    except VhbError as error:
        say(f"No token could be made: {error}")
        return
    say(f"Web page: {address}/#code={code} (logs in once, within ten minutes; later: {address})")
    if browser:
        await asyncio.to_thread(open_page, f"{address}/#code={code}", workdir.root)
