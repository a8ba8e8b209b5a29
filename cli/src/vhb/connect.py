"""Where the CLI connects: what it was told, else the stack that runs in the working directory."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vhb.embedded.workdir import Address
    from vhb_shared.bus.client import Bus
    from vhb_shared.bus.states import StateReader
    from vhb_shared.errors import UserError
    from vhb_shared.settings import BusSettings, StoreSettings
    from vhb_shared.store.base import ObjectStore

DEFAULT_WORKDIR = Path(".vhb")

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="NATS server; default: VHB_NATS_URL, else the `vhb up` of the working directory.",
    ),
]
WorkdirOption = Annotated[Path, typer.Option("--workdir", metavar="DIR", help="Working directory of the stack.")]
JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="Job file: .yaml, .json, or a user_config.csv.")]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="At most this many samples of each task.")
]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", metavar="", help="Leave bad rows out instead of refusing the job.")
]
NoReuse = Annotated[
    bool, typer.Option("--no-reuse", metavar="", help="Ask everything, also what an earlier job has answered.")
]
JobId = Annotated[str, typer.Argument(metavar="JOB_ID", help="A job; `vhb status` lists them.")]


@dataclass(frozen=True)
class Connection:
    """What a command works with."""

    bus: "Bus"
    states: "StateReader"
    storage: "ObjectStore | UserError"
    """Or why there is none: who only listens to events needs no key to it."""

    @property
    def store(self) -> "ObjectStore":
        """Object storage.

        Raises:
            UserError: its settings are missing or wrong.
        """
        from vhb_shared.errors import UserError

        if isinstance(self.storage, UserError):
            raise self.storage
        return self.storage


def settings(server: str | None, workdir: Path) -> "tuple[BusSettings, StoreSettings]":
    """Where bus and storage are: --server and VHB_*, else the stack running in `workdir`.

    Raises:
        Unreachable: none was named and none runs.
    """
    from vhb.embedded.workdir import Workdir
    from vhb_shared.bus.connection import Unreachable
    from vhb_shared.settings import BusSettings, StoreSettings

    if server or os.environ.get("VHB_NATS_URL"):
        bus = BusSettings(nats_url=server) if server else BusSettings()
        return bus, StoreSettings()
    address = Workdir(workdir).running()
    if address is None:
        raise Unreachable(
            f"No stack runs in {workdir}. Start one with `vhb up` (or `vhb run JOB`), or name a server with --server "
            "or VHB_NATS_URL."
        )
    return of_stack(address)


def of_stack(address: "Address") -> "tuple[BusSettings, StoreSettings]":
    """Settings that lead to an embedded stack."""
    from vhb_shared.settings import BusSettings, StoreSettings

    bus = BusSettings(nats_url=address.nats_url, nats_creds=address.nats_creds)
    store = StoreSettings(store_dir=address.store_dir, s3_endpoint=None) if address.store_dir else StoreSettings()
    return bus, store


@asynccontextmanager
async def connected(to: "tuple[BusSettings, StoreSettings]") -> AsyncIterator[Connection]:
    """A connection to bus and storage. The command's own log shows warnings only: what goes well is shown otherwise.

    Raises:
        Unreachable: no server answers.
    """
    from vhb.quiet import log_warnings_only
    from vhb_shared.bus.client import Bus
    from vhb_shared.bus.connection import connect
    from vhb_shared.bus.states import StateReader
    from vhb_shared.errors import UserError
    from vhb_shared.store.open import open_store

    log_warnings_only()
    bus_settings, store_settings = to
    nc = await connect(bus_settings, "vhb")
    try:
        bus = Bus(nc, source="/vlmhyperbench/cli")
        async with AsyncExitStack() as opened:
            storage: ObjectStore | UserError
            try:
                storage = await opened.enter_async_context(open_store(store_settings))
            except UserError as error:
                storage = error
            yield Connection(bus, StateReader(bus), storage)
    finally:
        await nc.close()
