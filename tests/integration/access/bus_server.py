"""A real nats-server with the configuration that `vhb init` writes."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vhb.deployment.layout import Layout
from vhb.deployment.nats_conf import nats_conf
from vhb.deployment.write import Wishes, write_deployment
from vhb_shared.access.roles import Role
from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import connect
from vhb_shared.bus.provision import provision
from vhb_shared.bus.server import EmbeddedServer, find_server
from vhb_shared.settings import BusSettings


class RoleServer:
    """Knows where it listens and who may connect."""

    def __init__(self, layout: Layout, url: str) -> None:
        self.layout = layout
        self.url = url

    def settings(self, role: Role | str) -> BusSettings:
        """How a user connects."""
        return BusSettings(nats_url=self.url, nats_creds=self.layout.nats / f"{role}.json")

    @asynccontextmanager
    async def bus(self, role: Role | str) -> AsyncIterator[Bus]:
        """A connection as that user."""
        nc = await connect(self.settings(role), f"test-{role}", timeout_s=20)
        try:
            yield Bus(nc, source="/test")
        finally:
            await nc.close()


@asynccontextmanager
async def role_server(
    folder: Path, *, tls: str | None = None, scheme: str = "nats", host: str = "127.0.0.1"
) -> AsyncIterator[RoleServer]:
    """Started and provisioned by the provisioner's own user; gone afterwards."""
    layout = Layout(folder / "deployment")
    write_deployment(layout.root, Wishes())
    users = [json.loads(path.read_text()) for path in sorted(layout.nats.glob("*.json"))]
    runs = folder / "server"
    runs.mkdir()
    text = nats_conf(users, tls=tls, listen=f"{host}:-1", http="127.0.0.1:-1", data=str(runs / "js"))
    (runs / "nats.conf").write_text(f'{text}\nports_file_dir: "{runs}"\n')
    with (runs / "nats.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220
            [str(find_server()), "--config", str(runs / "nats.conf")], stdout=log, stderr=log
        )
    try:
        url = await EmbeddedServer(runs).wait_ready(process.pid)
        server = RoleServer(layout, f"{scheme}://{url.rpartition('//')[2]}")
        if scheme == "nats":
            async with server.bus("provisioner") as bus:
                await provision(bus.js)
        yield server
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)
