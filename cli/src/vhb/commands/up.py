"""`vhb up`: the embedded stack, kept running."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, WorkdirOption

if TYPE_CHECKING:
    from vhb.embedded.stack import Counts


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
) -> None:
    """Keep server and services running on this machine until Ctrl-C; jobs and results survive.

    Prints one line with the NATS URL and the credentials file when it is ready.
    """
    from vhb.embedded.stack import Counts
    from vhb.quiet import log_warnings_only

    log_warnings_only()
    counts = Counts(agents=agents, evaluators=evaluators, reporters=reporters, schedulers=schedulers)
    raise typer.Exit(asyncio.run(_up(workdir, nats_port, counts)))


async def _up(workdir: Path, nats_port: int | None, counts: "Counts") -> int:
    from vhb.embedded.stack import EmbeddedStack
    from vhb.embedded.workdir import Workdir

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stop.set)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    async with EmbeddedStack(Workdir(workdir), nats_port=nats_port, counts=counts, say=say) as stack:
        assert stack.address is not None
        print(f"ready: {stack.address.nats_url} credentials {stack.address.nats_creds}", flush=True)
        await stop.wait()
    return 0
