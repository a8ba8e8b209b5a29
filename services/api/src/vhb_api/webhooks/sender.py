"""One attempt: connects to a checked address, sends, reads how the answer begins. Follows nothing, keeps nothing."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from vhb_api.webhooks.addresses import address_of, is_allowed
from vhb_api.webhooks.settings import WebhookSettings
from vhb_shared.errors import UserError

RESPONSE_BYTES = 1024
_BODY_S = 2.0
_RESOLVERS = 32
_AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


@dataclass(frozen=True)
class Answer:
    """What came of an attempt."""

    seconds: float
    status: int | None = None
    error: str | None = None
    """Why it counts as failed."""
    response: str | None = None
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it was taken."""
        return self.error is None


class NotAllowed(OSError):  # noqa: N818 - what became of an address
    """An address that nothing may be sent to."""


class _Resolver(AbstractResolver):
    """In threads of its own: a name server that does not answer holds up nothing else of the process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()

        def ask() -> list[ResolveResult]:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            return [
                ResolveResult(
                    hostname=host, host=str(address[0]), port=port, family=kind, proto=proto,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for kind, _, proto, _, address in found
            ]  # fmt: skip

        return await loop.run_in_executor(self._threads, ask)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Sender:
    """`async with`: sends.

    Args:
        settings: where to, how long.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> "Sender":
        trusted = await asyncio.to_thread(_trusted, self._settings)
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(),
            use_dns_cache=False,
            socket_factory=self._socket,
            ssl=trusted,
            limit=0,
            force_close=True,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": "VLMHyperBench-Webhooks/1", "Accept-Encoding": "identity"},
        )
        self._session = await self._opened.enter_async_context(session)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def send(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """Posts JSON. Raises nothing: whatever goes wrong is an answer."""
        started = time.monotonic()

        def answer(**about: object) -> Answer:
            return Answer(seconds=time.monotonic() - started, **about)  # type: ignore[arg-type]

        sent = {"Content-Type": "application/json", **headers}
        try:
            async with self._session.post(url, data=body.encode(), headers=sent, allow_redirects=False) as response:
                text = await _beginning(response)
                wait = _seconds(response.headers.get("Retry-After"))
                return answer(status=response.status, error=_why(response.status), response=text, retry_after_s=wait)
        except TimeoutError:
            return answer(error=f"No answer within {self._settings.timeout_s:g} s.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return answer(error=_words(error))

    def _socket(self, about: _AddressInfo) -> socket.socket:
        """The one place where connections begin, whatever the name resolved to, whoever resolved it."""
        family, kind, proto, _, address = about
        where = str(address[0])
        if not is_allowed(address_of(where), self._settings.private):
            raise NotAllowed(
                f"{where} is no public address; VHB_API_WEBHOOKS_PRIVATE names private networks that may be sent to."
            )
        return socket.socket(family, kind, proto)


def _trusted(settings: WebhookSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca is not None:
        try:
            context.load_verify_locations(settings.ca)
        except (OSError, ssl.SSLError):
            raise UserError(f"VHB_API_WEBHOOKS_CA: {settings.ca} holds no certificates (PEM).") from None
    return context


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first bytes of a body; what is not there in a moment is not waited for."""
    found = b""
    try:
        async with asyncio.timeout(_BODY_S):
            while len(found) < RESPONSE_BYTES and (piece := await response.content.read(RESPONSE_BYTES - len(found))):
                found += piece
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass  # the status says enough
    response.close()
    return found.decode("utf-8", "replace")


def _why(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return f"It answered {status}" + ("; redirects are not followed." if 300 <= status < 400 else ".")


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"Its certificate is not trusted ({error.certificate_error})."
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, NotAllowed):
        return str(inner)
    return (f"{type(inner).__name__}: {inner}" if str(inner) else type(inner).__name__)[:500]


def _seconds(said: str | None) -> float | None:
    """`Retry-After`: seconds, or a date."""
    if said is None:
        return None
    if said.isascii() and said.isdecimal() and len(said) < 9:
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
