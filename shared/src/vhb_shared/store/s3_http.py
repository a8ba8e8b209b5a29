"""The HTTP side of the S3 client: bounded waiting, no hidden retries."""

import os
from pathlib import Path
from typing import Any

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

SEND_CHUNK = 64 << 10


class _PatientSend:
    """urllib3 sends a request body under the *connect* timeout, as a limit on the whole of it: a 16 MiB part over a
    slow line would never get through. Here the timeout counts for each chunk."""

    timeout: float | None
    sock: Any
    send_timeout: float = 30.0

    def send(self, data: Any) -> None:
        send = super().send  # type: ignore[misc]
        if not isinstance(data, (bytes, bytearray, memoryview)) or len(data) <= SEND_CHUNK:
            send(data)
            return
        if self.sock is not None:
            self.sock.settimeout(self.send_timeout)
        view = memoryview(data)
        for start in range(0, len(view), SEND_CHUNK):
            send(view[start : start + SEND_CHUNK])


class _Connection(_PatientSend, HTTPConnection):
    pass


class _SecureConnection(_PatientSend, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def pool_manager(
    connections: int, connect_timeout_s: float, read_timeout_s: float, ca_file: Path | None = None
) -> urllib3.PoolManager:
    """Keeps up to `connections` open per host and raises the first error as it is.

    Args:
        connections: as many as there are threads that use it.
        connect_timeout_s: for opening a connection.
        read_timeout_s: between two bytes of a response.
        ca_file: certificates to trust instead of the system's.
    """
    manager = urllib3.PoolManager(
        maxsize=connections,
        block=True,
        timeout=urllib3.Timeout(connect=connect_timeout_s, read=read_timeout_s),
        retries=False,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(ca_file) if ca_file else os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager
