"""One HTTP request to a worker, bounded in size; what it says is not trusted."""

import asyncio
import contextlib
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MAX_REPLY = 64 << 20
"""Bytes."""


class Reply(NamedTuple):
    """What a worker said."""

    status: int
    body: bytes

    def content(self) -> dict[str, Any]:
        """Its JSON; empty where there is none. Blocks for a large body."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def error(self) -> str:
        """The problem it tells, with the last lines of a traceback."""
        told = self.content().get("error")
        if not isinstance(told, dict):
            return f"it answered with status {self.status}"
        lines = [line for line in told.get("traceback") or [] if isinstance(line, str)][-6:]
        tail = f" (last lines: {' / '.join(line.strip() for line in lines)})" if lines else ""
        return f"{told.get('message')}{tail}"


async def exchange(address: str, path: str, body: bytes | None = None) -> Reply:
    """Asks once; the caller bounds the time.

    Raises:
        OSError: nobody answers, or the connection ended in the middle.
    """
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.0\r\nHost: {url.netloc}\r\n"
        writer.write(f"{head}Content-Length: {len(body or b'')}\r\n\r\n".encode() + (body or b""))
        await writer.drain()
        received = bytearray()
        while chunk := await reader.read(1 << 18):
            received += chunk
            if len(received) > MAX_REPLY:
                raise OSError(f"its reply is longer than {MAX_REPLY >> 20} MiB")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return _read(bytes(received))


def _read(received: bytes) -> Reply:
    head, found, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    length = next((line.partition(":")[2].strip() for line in lines if line.lower().startswith("content-length:")), "")
    if not found or len(words) < 2 or not words[1].isdigit() or (length.isdigit() and int(length) != len(body)):
        raise OSError("its reply is cut off")
    return Reply(int(words[1]), body)
