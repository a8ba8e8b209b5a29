"""Entry point: `python -m vhb_api_wrapper --adapter rapidocr --port 0 --port-file FILE`.

Ends with code 0 after SIGINT or SIGTERM, 2 for what the person who started it can mend, 1 when the model does not load.
"""

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from vhb_api_wrapper.adapters.base import Adapter, ConfigurationError
from vhb_api_wrapper.adapters.registry import create_adapter
from vhb_api_wrapper.app import Server
from vhb_api_wrapper.host import ModelHost
from vhb_api_wrapper.settings import Settings, parse_arguments

log = logging.getLogger("vhb_api_wrapper")

# Clients keep connections for the next request; a slow page must not outlive them.
_KEEP_ALIVE_S = 120
_BACKLOG = 2048


def main() -> None:
    """Composition root; never returns."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    code = 0
    try:
        settings = parse_arguments()
        adapter = create_adapter(settings.adapter, settings.options)
        with _listen(settings.host, settings.port) as listener:
            asyncio.run(_serve(settings, adapter, listener))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 0
    except Exception:
        log.exception("The server ends")
        code = 1
    logging.shutdown()
    sys.stderr.flush()
    # Not sys.exit: that would wait for a worker thread in the middle of a page.
    os._exit(code)


class _Uvicorn(uvicorn.Server):
    """Ends at once and with code 0 on a signal: whoever stops us has given up on what is in flight.

    The base class would wait for it, then raise the signal again and die of it.
    """

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.should_exit = True
        self.force_exit = True
        # A traceback for each request that is cut off would look like a fault.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


async def _serve(settings: Settings, adapter: Adapter[Any], listener: socket.socket) -> None:
    workers = settings.workers or adapter.default_workers()
    host = ModelHost(adapter, workers, settings.limits.max_pending)
    app = Server(host, settings.served_model_name, settings.limits).build()
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    server = _Uvicorn(config)
    bound_host, port = listener.getsockname()[:2]
    url = f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{port}/v1"
    log.info("Listening at %s; loading %s (%d workers)", url, settings.served_model_name, workers)
    if settings.port_file is not None:
        _write_port(settings.port_file, port)

    async def load() -> None:
        try:
            seconds = await host.load()
        except BaseException:
            server.should_exit = True
            raise
        log.info("Ready: %s at %s, loaded in %.1f s", settings.served_model_name, url, seconds)

    loading = asyncio.create_task(load())
    await server.serve(sockets=[listener])
    if loading.done():
        loading.result()


def _listen(host: str, port: int) -> socket.socket:
    """Listens at once, so that whoever reads the port file can connect."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}; "
            "use another --host or --port (0: a free one)."
        ) from error


def _write_port(path: Path, port: int) -> None:
    """A reader sees the whole number or no file."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(f"{port}\n")
        partial.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot write --port-file {path}: {error.strerror}; name a writable place."
        ) from error


if __name__ == "__main__":
    main()
