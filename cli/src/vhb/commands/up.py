"""`vhb up`: the embedded stack, kept running."""

import asyncio
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
        typer.Option("--api-port", min=1, max=65535, metavar="N", help="Port of that interface; default: a free one."),
    ] = None,
) -> None:
    """Keep server and services running on this machine until Ctrl-C; jobs and results survive.

    Prints one line with the NATS URL and the credentials file when it is ready.
    """
    from vhb.embedded.stack import Counts
    from vhb.quiet import log_warnings_only

    log_warnings_only()
    counts = Counts(agents=agents, evaluators=evaluators, reporters=reporters, schedulers=schedulers, api=api)
    raise typer.Exit(asyncio.run(_up(workdir, nats_port, api_port, counts)))


async def _up(workdir: Path, nats_port: int | None, api_port: int | None, counts: "Counts") -> int:
    from vhb.embedded.stack import EmbeddedStack
    from vhb.embedded.workdir import Workdir

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stop.set)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    place = Workdir(workdir)
    async with EmbeddedStack(place, nats_port=nats_port, api_port=api_port, counts=counts, say=say) as stack:
        assert stack.address is not None
        print(f"ready: {stack.address.nats_url} credentials {stack.address.nats_creds}", flush=True)
        saying = asyncio.create_task(_say_interface(place, say)) if counts.api else None
        await stop.wait()
        if saying is not None:
            saying.cancel()
    return 0


async def _say_interface(workdir: "Workdir", say: "Callable[[str], None]") -> None:
    """Where the REST interface is, and the first token, once."""
    from vhb.commands.api import settings_of
    from vhb_api.access.tokens import Tokens
    from vhb_api.app import opened_database
    from vhb_shared.errors import VhbError

    try:
        async with asyncio.timeout(LISTENS_S):
            while not workdir.api_address.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.1)
    except TimeoutError:
        say(f"The REST interface does not listen yet; its log: {workdir.logs / 'api.log'}")
        return
    say(f"REST interface: {workdir.api_address.read_text()}/api/v1 (docs/api.md)")
    try:
        async with opened_database(settings_of(None, workdir.root)) as database:
            token = await asyncio.to_thread(Tokens(database).first)
    except VhbError as error:
        say(f"No token could be made: {error}")
        return
    if token is not None:
        say(f"Its administrator's token, shown this once: {token}")
