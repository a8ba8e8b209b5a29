"""Where an embedded management plane listens."""

import fcntl
import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

USUAL_PORT = 8477
"""The same at each start, so that a bookmark and a browser's session stay good; compose.yaml has it too."""


def port_for(held: ExitStack) -> int:
    """The usual port, where nobody has it; else a free one.

    Args:
        held: keeps the usual port for this stack among those of the user until it is closed: a stack listens seconds
            after it chose.
    """
    if not _free(USUAL_PORT):
        return _any_free()
    try:
        path = Path(tempfile.gettempdir()) / f"vhb-port-{USUAL_PORT}-{os.getuid()}.lock"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return _any_free()
    held.callback(os.close, file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _any_free()
    return USUAL_PORT


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # What is left of connections that were closed does not keep a server from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
