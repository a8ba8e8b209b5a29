"""Ends a process that is stuck, so that its supervisor can start a fresh one.

A thread of its own: a frozen event loop cannot watch itself. Known ways to get stuck: a reconnect loop that spins, a
client that gave up on the server ("Authorization Violation" leaves a zombie), a durable that was deleted.
"""

import asyncio
import os
import threading
import time

import structlog
from nats.errors import Error as NatsError

from vhb_shared import health
from vhb_shared.bus.client import Bus
from vhb_shared.bus.provision import missing
from vhb_shared.contracts.topology import Consumer

log = structlog.get_logger(__name__)

STUCK_EXIT_CODE = 70


class Watchdog:
    """`async with`: watches the running loop until the block ends."""

    def __init__(self, bus: Bus, consumers: tuple[Consumer, ...], *, loop_stuck_s: float = 30) -> None:
        self._bus = bus
        self._consumers = consumers
        self._loop_stuck_s = loop_stuck_s
        self._tick = time.monotonic()
        self._over = threading.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Watchdog":
        self._tick = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        self._tasks = [asyncio.create_task(self._ticking()), asyncio.create_task(self._checking())]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._over.set()
        for task in self._tasks:
            task.cancel()

    async def _ticking(self) -> None:
        said_at = 0.0
        file = health.health_file()
        while True:
            self._tick = time.monotonic()
            if file is not None and self._tick - said_at > health.EVERY_S:
                said_at = self._tick
                try:
                    await asyncio.to_thread(health.write, file, connected=self._bus.nc.is_connected)
                except OSError as error:
                    log.warning("health_not_written", file=str(file), reason=error.strerror)
            await asyncio.sleep(1)

    async def _checking(self) -> None:
        while True:
            await asyncio.sleep(10)
            if self._bus.nc.is_closed:
                self._end("the NATS connection is closed for good")
            if not self._bus.nc.is_connected:
                continue
            try:
                lacking = await missing(self._bus.js, self._consumers)
            except (TimeoutError, NatsError, OSError):
                continue
            if lacking:
                self._end(f"{lacking} is gone")

    def _watch(self) -> None:
        while not self._over.wait(2):
            silent = time.monotonic() - self._tick
            if silent > self._loop_stuck_s:
                self._end(f"the event loop has not run for {silent:.0f} s")

    def _end(self, reason: str) -> None:
        log.critical("stuck", reason=reason)
        os._exit(STUCK_EXIT_CODE)
