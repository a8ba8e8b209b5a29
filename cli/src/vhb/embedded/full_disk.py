"""Brings the bus back after its disk was full.

A stream that met a write error refuses messages until the server is started anew, also when there is space again.
"""

import asyncio
import shutil
from collections.abc import Callable

import structlog

from vhb.embedded.children import Child
from vhb_shared.bus.server import EmbeddedServer

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 3.0
ENOUGH_BYTES = 8 << 20
_SIGNS = ("no space left", "write error", "quota exceeded")


async def mend_after_full_disk(child: Child, server: EmbeddedServer, say: Callable[[str], None]) -> None:
    """Looks every few seconds, for ever; restarts the server when it cannot write although its disk has space.

    Args:
        child: the server's process.
        server: its files.
        say: tells the user.
    """
    said = False
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        process = child.process
        if process is None or process.returncode is not None:
            continue
        trouble = await asyncio.to_thread(server.trouble, process.pid)
        if trouble is None or not any(sign in trouble.lower() for sign in _SIGNS):
            said = False
            continue
        free = shutil.disk_usage(server.directory).free
        if free < ENOUGH_BYTES:
            if not said:
                say(f"The disk of {server.directory} is full: work waits until there is space.")
                log.warning("bus_disk_full", directory=str(server.directory), reason=trouble)
                said = True
            continue
        log.warning("bus_restarted", reason=trouble)
        process.kill()  # its supervisor starts it anew; what it had acknowledged is in its files
