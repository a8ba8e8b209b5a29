"""A real nats-server for tests: its own directory, a random port, provisioned on request."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import connect
from vhb_shared.bus.provision import provision
from vhb_shared.bus.server import EmbeddedServer
from vhb_shared.settings import BusSettings


class NatsServer:
    """Starts, kills and restarts a server on the same port and data."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = -1
        self._process: subprocess.Popen[bytes] | None = None
        self.settings = BusSettings()

    async def start(self) -> BusSettings:
        """Starts it; returns when it takes requests."""
        server = EmbeddedServer(self._directory, self._port)
        server.write_files()
        server.remove_stale_ports()
        with (self._directory / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(server.command(), stdout=log, stderr=log)  # noqa: ASYNC220
        url = await server.wait_ready(self._process.pid)
        self._port = int(url.rsplit(":", 1)[1])
        self.settings = BusSettings(nats_url=url, nats_creds=server.credentials_file)
        return self.settings

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


@asynccontextmanager
async def running_server(directory: Path) -> AsyncIterator[NatsServer]:
    """A started server, gone afterwards."""
    server = NatsServer(directory)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def provisioned_bus(server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to a server that has all streams, consumers and buckets."""
    nc = await connect(server.settings, "test")
    try:
        await provision(nc.jetstream())
        yield Bus(nc, source="/test")
    finally:
        await nc.close()
