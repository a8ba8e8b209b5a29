"""What every service process does around its subscriptions: connect, check, subscribe, watch, stop cleanly."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

import structlog
from faststream.nats import NatsBroker
from nats.errors import Error as NatsError

from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import Unreachable, connect, make_broker
from vhb_shared.bus.denials import denied
from vhb_shared.bus.live_logs import LiveLogs
from vhb_shared.bus.process import run_process
from vhb_shared.bus.provision import missing
from vhb_shared.bus.watchdog import Watchdog
from vhb_shared.contracts.topology import Consumer
from vhb_shared.errors import UserError
from vhb_shared.logging import configure_logging
from vhb_shared.settings import BusSettings, LogSettings, StoreSettings
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.open import open_store

log = structlog.get_logger(__name__)

PATIENCE_S = 60.0
GRACE_S = 30


@dataclass(frozen=True)
class Service:
    """What a service's `app.py` builds on."""

    name: str
    bus: Bus
    broker: NatsBroker
    store: ObjectStore
    logs: LiveLogs | None = None
    """Tells its records to those who watch; None for a service that may not, or in tests."""


Setup = Callable[[Service], AbstractAsyncContextManager[None]]


async def _connected(settings: BusSettings, name: str, consumers: tuple[Consumer, ...]) -> Bus:
    """Connects and waits until the provisioner has done its work; services check and never change it."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PATIENCE_S
    nc = None
    while nc is None:
        try:
            nc = await connect(settings, name)
        except Unreachable:
            if loop.time() > give_up:
                raise
            await asyncio.sleep(0.25)
    bus = Bus(nc, source=f"/vlmhyperbench/{name}")
    try:
        await _provisioned(bus, consumers, give_up)
    except BaseException:
        # An open connection would go on reconnecting and keep the process from ending.
        await nc.close()
        raise
    return bus


async def _provisioned(bus: Bus, consumers: tuple[Consumer, ...], give_up: float) -> None:
    """Waits until everything is there, or until `give_up` on the loop's clock."""
    lacking: str | None = "answer"
    while lacking:
        try:
            lacking = await missing(bus.js, consumers)
        except (TimeoutError, NatsError, OSError) as error:
            if refused := denied(bus.nc, ""):
                raise refused from None
            lacking = str(error) or type(error).__name__
        if lacking:
            if asyncio.get_running_loop().time() > give_up:
                raise UserError(
                    f"The NATS server lacks {lacking}; run `python -m vhb_shared.bus` once to provision it."
                )
            await asyncio.sleep(0.1)


async def serve(name: str, consumers: tuple[Consumer, ...], setup: Setup, *, live_logs: bool = True) -> None:
    """Runs a service until SIGTERM or SIGINT.

    Args:
        name: of the service.
        consumers: durables that must exist before it starts and while it runs.
        setup: registers the subscriptions on `service.broker` and keeps what they need open.
        live_logs: whether those who watch a job are told its log records; its role must allow it.
    """
    configure_logging(LogSettings(), service=name)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    settings = BusSettings()
    bus = await _connected(settings, name, consumers)
    broker = make_broker(settings, f"{name}-broker", graceful_timeout_s=GRACE_S)
    try:
        async with (
            open_store(StoreSettings()) as store,
            Watchdog(bus, consumers),
            LiveLogs(bus, name) if live_logs else nullcontext() as logs,
        ):
            async with setup(Service(name, bus, broker, store, logs)):
                await broker.start()
                log.info("service_started", consumers=[consumer.durable for consumer in consumers])
                await stop.wait()
                log.info("service_stopping")
            await broker.stop()
    finally:
        await bus.nc.close()


def main(name: str, consumers: tuple[Consumer, ...], setup: Setup, *, live_logs: bool = True) -> None:
    """Entry point of `python -m vhb_<service>`; see `run_process` for how it ends."""
    run_process(name, serve(name, consumers, setup, live_logs=live_logs))
