"""The embedded stack: nats-server, scheduler, agents, evaluators, reporters as child processes."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from vhb.embedded.children import YIELDING, Child
from vhb.embedded.full_disk import mend_after_full_disk
from vhb.embedded.ports import port_for
from vhb.embedded.workdir import Address, Workdir, user_cache
from vhb_shared.bus.connection import connect
from vhb_shared.bus.provision import provision
from vhb_shared.bus.server import EmbeddedServer
from vhb_shared.errors import UserError
from vhb_shared.settings import BusSettings

log = structlog.get_logger(__name__)


_CAN_WAIT = ("vhb_evaluator", "vhb_reporter", "vhb_api")
"""They give way to the agents: what keeps an engine waiting costs more than a score that comes a little later."""


@dataclass(frozen=True)
class Counts:
    """How many of each service run."""

    agents: int = 1
    evaluators: int = 1
    reporters: int = 1
    schedulers: int = 1
    api: bool = False
    """Whether the management plane is part of it."""


class EmbeddedStack:
    """`async with`: started on entering, stopped in order on leaving.

    Args:
        workdir: where everything lies.
        nats_port: of the server; a free one when None.
        api_port: of the management plane; the usual one when None, or where that is taken a free one, the same until
            the stack stops.
        counts: how many of each service.
        say: told in a sentence what a person should know: that a process died and was started again.
        started: told each process as it comes: `nats-server`, `agent-0`.

    Raises (on entering):
        UserError: the working directory is in use, or nats-server is missing.
    """

    def __init__(
        self,
        workdir: Workdir,
        *,
        nats_port: int | None = None,
        api_port: int | None = None,
        counts: Counts | None = None,
        say: Callable[[str], None] = lambda text: None,
        started: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._workdir = workdir
        self._say = say
        self._started = started
        self._counts = counts or Counts()
        self._nats_port = nats_port
        self._api_port = api_port
        self._held = ExitStack()
        self._services: list[Child] = []
        self._nats: Child | None = None
        self._mending: asyncio.Task[None] | None = None
        self.address: Address | None = None

    @property
    def children(self) -> list[Child]:
        """All child processes, the server first."""
        return ([self._nats] if self._nats else []) + self._services

    async def __aenter__(self) -> "EmbeddedStack":
        self._held.enter_context(self._workdir.locked())
        try:
            url, creds = await self._start_server()
            use_s3 = bool(os.environ.get("VHB_S3_ENDPOINT"))
            store_dir = None if use_s3 else self._workdir.objects
            self.address = Address(pid=os.getpid(), nats_url=url, nats_creds=creds, store_dir=store_dir)
            self._workdir.api_address.unlink(missing_ok=True)
            for name, module, extra in self._members():
                await self._start_service(name, module, extra)
            await self._provision(url, creds)
            self._workdir.write_address(self.address)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop()

    async def _start_server(self) -> tuple[str, Path]:
        server = EmbeddedServer(self._workdir.nats, self._nats_port or -1)
        server.write_files()
        server.remove_stale_ports()
        command = server.command()
        self._nats = Child(
            "nats-server", lambda: command, _inherited(), self._workdir.logs / "nats-server.log", self._say
        )
        pid = await self._nats.start()
        try:
            url = await server.wait_ready(pid)
        except TimeoutError:
            tail = " / ".join(self._nats.log_tail(3)) or "it wrote no log"
            raise UserError(f"nats-server did not start in {self._workdir.nats}: {tail}") from None
        # A restarted server must be found by those who are connected: the port is kept from here on.
        EmbeddedServer(self._workdir.nats, int(url.rsplit(":", 1)[1])).write_files()
        self._started("nats-server")
        self._mending = asyncio.create_task(mend_after_full_disk(self._nats, server, self._say))
        return url, server.credentials_file

    async def _provision(self, url: str, creds: Path) -> None:
        nc = await connect(BusSettings(nats_url=url, nats_creds=creds), "provisioner", timeout_s=20)
        try:
            await provision(nc.jetstream())
        finally:
            await nc.close()

    def _members(self) -> list[tuple[str, str, dict[str, str]]]:
        """Services in the order of their start: who takes longest first."""
        counts = self._counts
        environments = str(user_cache() / "environments")
        members: list[tuple[str, str, dict[str, str]]] = []
        for n in range(counts.agents):
            name = f"agent-{n}"
            extra = {
                "VHB_AGENT_NAME": name,
                "VHB_AGENT_DIRECTORY": str(self._workdir.agent(name)),
                "VHB_AGENT_CHECKPOINTS": str(self._workdir.checkpoints),
                "VHB_AGENT_ENVIRONMENTS": os.environ.get("VHB_AGENT_ENVIRONMENTS", environments),
            }
            members.append((name, "vhb_inference_agent", extra))
        members += [(f"scheduler-{n}", "vhb_scheduler", {}) for n in range(counts.schedulers)]
        metrics = {"VHB_EVALUATOR_ENVIRONMENTS": os.environ.get("VHB_EVALUATOR_ENVIRONMENTS", environments)}
        members += [(f"evaluator-{n}", "vhb_evaluator", metrics) for n in range(counts.evaluators)]
        members += [(f"reporter-{n}", "vhb_reporter", {}) for n in range(counts.reporters)]
        if counts.api:
            members.append(("api", "vhb_api", self._of_api()))
        return members

    def _of_api(self) -> dict[str, str]:
        workdir = self._workdir
        # Found again after a restart: the port is chosen here, and not by the service.
        wanted = {
            "VHB_API_DATABASE": workdir.api_database,
            "VHB_API_PORT": str(self._api_port or port_for(self._held)),
            "VHB_API_DATA_DIR": str(Path.cwd()),
            "VHB_API_WORK_DIR": str(workdir.api_files),
        }
        return {name: os.environ.get(name, value) for name, value in wanted.items()} | {
            "VHB_API_ADDRESS_FILE": str(workdir.api_address)
        }

    async def _start_service(self, name: str, module: str, extra: dict[str, str]) -> None:
        assert self.address is not None
        env = _inherited() | {
            "VHB_NATS_URL": self.address.nats_url,
            "VHB_NATS_CREDS": str(self.address.nats_creds),
            "VHB_CACHE_DIR": str(self._workdir.root / "cache"),
            "VHB_LOG_FORMAT": os.environ.get("VHB_LOG_FORMAT", "json"),
            "POLARS_MAX_THREADS": os.environ.get("POLARS_MAX_THREADS", "2"),
            **extra,
        }
        if self.address.store_dir is not None:
            env["VHB_STORE_DIR"] = str(self.address.store_dir)
        log_file = self._workdir.logs / f"{name}.log"
        nice = YIELDING if module in _CAN_WAIT else 0
        child = Child(name, lambda: [sys.executable, "-m", module], env, log_file, self._say, nice=nice)
        self._services.append(child)
        await child.start()
        self._started(name)

    async def _stop(self) -> None:
        self._workdir.address_file.unlink(missing_ok=True)
        if self._mending is not None:
            self._mending.cancel()
        await asyncio.gather(*(child.stop() for child in self._services))
        if self._nats is not None:
            await self._nats.stop()
        self._held.close()


def _inherited() -> dict[str, str]:
    """The user's environment without what would lead a child elsewhere."""
    return {key: value for key, value in os.environ.items() if key not in ("VHB_NATS_URL", "VHB_NATS_CREDS")}
