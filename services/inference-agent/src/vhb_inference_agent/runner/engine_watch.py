"""Reads the engine's queue while it works, for the limit on requests in flight."""

import asyncio

import structlog

from vhb_inference_agent.backends.probe import NoReply
from vhb_inference_agent.endpoint import RunningBackend
from vhb_inference_agent.engine_metrics import read_metrics
from vhb_inference_agent.runner.slots import Slots

EVERY_S = 1.0
LONGEST_BREAK_S = 30.0
_log = structlog.get_logger(__name__)


async def watch_engine(backend: RunningBackend, slots: Slots) -> None:
    """Until cancelled. A server that offers no metrics is not asked again.

    Args:
        backend: its endpoint may change after a restart.
        slots: told of every reading.
    """
    without: str | None = None
    break_s = EVERY_S
    while True:
        await asyncio.sleep(break_s)
        base_url = backend.endpoint.base_url
        if base_url == without or not slots.in_flight:
            continue
        in_flight = slots.in_flight
        try:
            metrics = await read_metrics(base_url)
        except NoReply as error:
            _log.debug("engine_metrics_missing", reason=str(error))
            break_s = min(2 * break_s, LONGEST_BREAK_S)
            continue
        break_s = EVERY_S
        if metrics is None:
            without = base_url
        else:
            slots.control.engine(metrics, in_flight)
            slots.changed()
