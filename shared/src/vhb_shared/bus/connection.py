"""How every process connects: endless reconnects, and a reason in the log when the server refuses something."""

import asyncio
from typing import TYPE_CHECKING, Any

import nats
import structlog
from nats.aio.client import Client
from nats.errors import Error, NoServersError

from vhb_shared.errors import Unavailable
from vhb_shared.settings import BusSettings

if TYPE_CHECKING:
    from faststream.nats import NatsBroker

log = structlog.get_logger(__name__)

RECONNECT_WAIT_S = 0.25


class Unreachable(Unavailable):
    """The server cannot be reached at all; exit code 3 in the CLI."""


async def _on_error(error: Exception) -> None:
    # A denied publish looks like a timeout to its caller; only here is the reason known.
    log.warning("nats_error", error=str(error) or type(error).__name__)


def _options(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_S,
        "error_cb": _on_error,
    }


def make_broker(settings: BusSettings, name: str, *, graceful_timeout_s: float) -> "NatsBroker":
    """A FastStream broker with the same options as every other connection.

    Raises:
        UserError: the credentials file is missing or malformed.
    """
    # Here, so that the CLI, which needs no broker, starts without it.
    from faststream.nats import NatsBroker
    from faststream.security import SASLPlaintext

    known = settings.credentials()
    security = SASLPlaintext(known.user, known.password.get_secret_value()) if known else None
    return NatsBroker(
        settings.nats_url, security=security, logger=None, graceful_timeout=graceful_timeout_s, **_options(name)
    )


async def connect(settings: BusSettings, name: str, *, timeout_s: float = 5) -> Client:
    """Connects, or says that nobody answers.

    Raises:
        UserError: the credentials file is missing or malformed.
        Unreachable: no server within `timeout_s` seconds, or it refuses the credentials.
    """
    refused: list[str] = []

    async def on_error(error: Exception) -> None:
        refused.append(str(error))
        await _on_error(error)

    known = settings.credentials()
    options = _options(name) | {"error_cb": on_error}
    if known:
        options |= {"user": known.user, "password": known.password.get_secret_value()}
    try:
        async with asyncio.timeout(timeout_s):
            return await nats.connect(settings.nats_url, **options)
    except (TimeoutError, NoServersError, OSError, Error) as error:
        detail = next((text for text in refused if "uthoriz" in text), None) or str(error) or "no answer"
        raise Unreachable(
            f"No NATS server answers at {settings.nats_url} ({detail}). Start one with `vhb up`, or name another with "
            "--server or VHB_NATS_URL (and VHB_NATS_CREDS)."
        ) from None
