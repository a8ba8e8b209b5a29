"""A stuck process ends itself: tried with a real service process against a real server."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from vhb_shared.bus.client import Bus
from vhb_shared.bus.watchdog import STUCK_EXIT_CODE
from vhb_shared.contracts import topology
from vhb_shared.testing.nats_server import NatsServer

_BLOCKED = """
import asyncio, sys, time
from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import connect
from vhb_shared.bus.watchdog import Watchdog
from vhb_shared.settings import BusSettings

async def main():
    nc = await connect(BusSettings(), "stuck")
    async with Watchdog(Bus(nc, "/stuck"), (), loop_stuck_s=1):
        await asyncio.sleep(0.1)
        time.sleep(60)

asyncio.run(main())
"""


def _environment(server: NatsServer, tmp_path: Path) -> dict[str, str]:
    return {
        "VHB_NATS_URL": server.settings.nats_url,
        "VHB_NATS_CREDS": str(server.settings.nats_creds),
        "VHB_STORE_DIR": str(tmp_path / "store"),
        "PATH": "/usr/bin:/bin",
    }


async def _exit_code(process: "subprocess.Popen[bytes]", seconds: float) -> int:
    try:
        return await asyncio.to_thread(process.wait, seconds)
    finally:
        process.kill()


async def test_a_blocked_event_loop_ends_the_process(server: NatsServer, bus: Bus, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _BLOCKED], env=_environment(server, tmp_path))  # noqa: ASYNC220
    assert await _exit_code(process, 30) == STUCK_EXIT_CODE


async def test_a_service_whose_durable_was_deleted_ends_with_the_reason(
    server: NatsServer, bus: Bus, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "vhb_reporter"], env=_environment(server, tmp_path), stderr=output
        )
    async with asyncio.timeout(30):
        while True:
            if b"service_started" in log.read_bytes():
                break
            await asyncio.sleep(0.1)
    await bus.js.delete_consumer(topology.EVENTS, topology.REPORTER_JOB.durable)
    assert await _exit_code(process, 30) == STUCK_EXIT_CODE
    assert topology.REPORTER_JOB.durable in log.read_text()


async def test_a_service_does_not_start_on_a_server_that_lacks_its_durable(
    server: NatsServer, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vhb_shared.bus import service
    from vhb_shared.errors import UserError

    monkeypatch.setattr(service, "PATIENCE_S", 0.5)
    await bus.js.delete_consumer(topology.EVENTS, topology.REPORTER_RUN.durable)
    with pytest.raises(UserError, match=r"lacks consumer reporter--.*provision"):
        await service._connected(server.settings, "reporter", (topology.REPORTER_RUN,))
