"""How every process connects: endless reconnects, and a reason in the log when the server refuses something."""

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any

import nats
import structlog
from nats.aio.client import Client
from nats.errors import Error, NoServersError

from vhb_shared.bus.cancellation import deliver_cancellations
from vhb_shared.bus.denials import Denials, remember
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.settings import BusSettings

if TYPE_CHECKING:
    from faststream.nats import NatsBroker

log = structlog.get_logger(__name__)

RECONNECT_WAIT_S = 0.25
_USER = re.compile(r"(?<=://)[^/@]*@|^[^/@:]*:[^/@]*@")
"""Of an address: it may hold a password, which belongs into no message."""


class Unreachable(Unavailable):
    """The server cannot be reached at all; exit code 3 in the CLI."""


def _options(name: str, settings: BusSettings, denials: Denials, refused: list[str] | None = None) -> dict[str, Any]:
    async def on_error(error: Exception) -> None:
        if refused is not None:
            refused.append(str(error))
        if not denials.note(error):
            log.warning("nats_error", error=str(error) or type(error).__name__)

    known = settings.credentials()
    return {
        "name": name,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_S,
        "error_cb": on_error,
        "inbox_prefix": (known.inbox_prefix if known else "_INBOX").encode(),
    }


def _denials(settings: BusSettings) -> Denials:
    known = settings.credentials()
    return Denials(known.user if known else None)


def _tls(settings: BusSettings) -> ssl.SSLContext | None:
    """For `tls://` addresses: the system's authorities, and the one of VHB_NATS_CA.

    Raises:
        UserError: the file cannot be read.
    """
    if settings.nats_ca is None:
        return ssl.create_default_context() if settings.nats_url.startswith("tls://") else None
    try:
        return ssl.create_default_context(cafile=str(settings.nats_ca))
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"VHB_NATS_CA: {settings.nats_ca} is no file with certificates ({error.strerror}).") from None


def make_broker(settings: BusSettings, name: str, *, graceful_timeout_s: float) -> "NatsBroker":
    """A FastStream broker with the same options as every other connection.

    Raises:
        UserError: the credentials file is missing or malformed.
    """
    # Here, so that the CLI, which needs no broker, starts without it.
    from faststream.nats import NatsBroker
    from faststream.security import BaseSecurity, SASLPlaintext

    deliver_cancellations()
    known, tls = settings.credentials(), _tls(settings)
    security: BaseSecurity | None = BaseSecurity(ssl_context=tls) if tls else None
    if known:
        security = SASLPlaintext(known.user, known.password.get_secret_value(), ssl_context=tls)
    options = _options(name, settings, _denials(settings))
    return NatsBroker(settings.nats_url, security=security, logger=None, graceful_timeout=graceful_timeout_s, **options)


async def connect(settings: BusSettings, name: str, *, timeout_s: float = 5) -> Client:
    """Connects, or says that nobody answers.

    Raises:
        UserError: the credentials or the certificate file is missing or malformed.
        Unreachable: no server within `timeout_s` seconds, or it refuses the credentials.
    """
    deliver_cancellations()
    refused: list[str] = []
    denials = _denials(settings)
    known, tls = settings.credentials(), _tls(settings)
    options = _options(name, settings, denials, refused)
    if tls:
        options["tls"] = tls
    if known:
        options |= {"user": known.user, "password": known.password.get_secret_value()}
    try:
        async with asyncio.timeout(timeout_s):
            nc = await nats.connect(settings.nats_url, **options)
    except (TimeoutError, NoServersError, OSError, Error) as error:
        place = _USER.sub("", settings.nats_url)
        if any("uthoriz" in text for text in refused):
            raise Unreachable(
                f"The NATS server at {place} does not accept these credentials: name the file that holds its own in "
                "VHB_NATS_CREDS (`vhb up` prints where it is)."
            ) from None
        telling = (text for text in refused if "certificate" in text.lower())
        detail = next(telling, None) or str(error) or "no answer"
        raise Unreachable(
            f"No NATS server answers at {place} ({detail}). Start one with `vhb up`, or name another with "
            "--server or VHB_NATS_URL (and VHB_NATS_CREDS)."
        ) from None
    remember(nc, denials)
    return nc
