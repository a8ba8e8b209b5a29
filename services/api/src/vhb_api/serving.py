"""The HTTP server inside the service: no signals of its own, its address in a file."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp

from vhb_api.settings import ApiSettings
from vhb_shared.errors import UserError

log = structlog.get_logger(__name__)

GRACE_S = 5
BACKLOG = 256
STUCK_S = 5.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the service has its own


@asynccontextmanager
async def serving(app: ASGIApp, settings: ApiSettings) -> AsyncIterator[str]:
    """Listens until the block ends. Yields the address.

    Raises:
        UserError: it cannot listen there.
    """
    listening = _bound(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        lifespan="off",
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=str(settings.tls_cert) if settings.tls_cert else None,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
        h11_max_incomplete_event_size=64 << 10,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listening]), name="http")
    ending = asyncio.create_task(_end_the_stuck(server), name="http stuck")
    host, port = listening.getsockname()[:2]
    scheme = "https" if settings.tls_cert else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    if settings.address_file is not None:
        _write(settings, address)
    log.info("listening", address=address)
    try:
        yield address
    finally:
        if settings.address_file is not None:
            settings.address_file.unlink(missing_ok=True)
        server.should_exit = True
        await task
        ending.cancel()
        listening.close()


async def _end_the_stuck(server: uvicorn.Server) -> None:
    """A connection that is closed while its client does not read waits for it, and keeps what it has not sent."""
    closing: dict[int, int] = {}
    while True:
        await asyncio.sleep(STUCK_S)
        # By identity: a protocol that goes away meanwhile is not kept alive here.
        waiting = {
            id(protocol): protocol
            for protocol in tuple(server.server_state.connections)
            if (transport := getattr(protocol, "transport", None)) is not None and transport.is_closing()
        }
        closing = {key: closing.get(key, 0) + 1 for key in waiting}
        for key, times in closing.items():
            if times > 1:
                waiting[key].transport.abort()


def _bound(settings: ApiSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((settings.host, settings.port))
        # From here on nobody is refused: they wait until the server is there.
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise UserError(
            f"VHB_API_HOST, VHB_API_PORT: {settings.host}, port {settings.port} cannot be listened on "
            f"({error.strerror}); name another."
        ) from None
    made.set_inheritable(False)
    return made


def _write(settings: ApiSettings, address: str) -> None:
    assert settings.address_file is not None
    settings.address_file.parent.mkdir(parents=True, exist_ok=True)
    partial = settings.address_file.with_name(f"{settings.address_file.name}.{os.getpid()}")
    partial.write_text(address)
    partial.replace(settings.address_file)
