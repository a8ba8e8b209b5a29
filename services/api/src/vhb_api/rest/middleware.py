"""What is true of every request: bounded, counted, written down, and answered with the headers that browsers heed."""

import asyncio
import time
from datetime import UTC, datetime

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vhb_api.access.tokens import Bearer
from vhb_api.db.tables import AuditRow
from vhb_api.rest.context import Context
from vhb_api.rest.problems import Failed, answer
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_READING = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Around the application, the answers to its failures included.

    Args:
        app: it.
        context: of the process.
    """

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._most = int(context.settings.max_body_mib * (1 << 20))
        # Files of uploads are streamed to disk; their own bounds are looked at meanwhile.
        self._most_of_file = context.uploads.bounds.file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name not in headers:
                        headers[name] = value
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                self._count(scope, status, time.monotonic() - started)
            await send(message)

        scope.setdefault("state", {})
        length = Headers(scope=scope).get("content-length", "0")
        most = self._most_of_file if _is_file(scope) else self._most
        too_long = length.isdecimal() and int(length) > most
        bounded = _Bounded(receive, most)
        try:
            if too_long:
                await answer(Failed(413, _words(most)), scope["path"])(scope, receive, sending)
            else:
                await self._app(scope, bounded, sending)
        except Exception:
            # Answered and logged already; the framework raises it once more for whoever is around it.
            if status != 500:
                raise
        finally:
            await self._write_down(scope, status)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "(none)")
        self._context.measures.requests.labels(_method(scope), route, str(status)).inc()
        self._context.measures.seconds.labels(route).observe(seconds)

    async def _write_down(self, scope: Scope, status: int) -> None:
        bearer: Bearer | None = scope["state"].get("bearer")
        state = scope["state"]
        unwritten = state.get("only_reads") or (status < 400 and state.get("unwritten"))
        if scope["method"] in _READING or bearer is None or unwritten:
            return
        request = Request(scope)
        row = AuditRow(
            time=datetime.now(UTC),
            token=bearer.name,
            role=bearer.role,
            method=_method(scope),
            path=scope["path"][:1000],
            status=status,
            client=request.client.host if request.client is not None else "",
            about=scope["state"].get("about"),
        )
        log.info("request", token=bearer.name, method=row.method, path=row.path, status=status)
        try:
            await asyncio.to_thread(self._add, row)
        except Unavailable as error:
            log.error("audit_lost", reason=str(error))

    def _add(self, row: AuditRow) -> None:
        with self._context.database.writing() as session:
            session.add(row)
            session.flush()


def _is_file(scope: Scope) -> bool:
    method, path = str(scope["method"]), str(scope["path"])
    return method == "PUT" and path.startswith("/api/v1/uploads/")


def _words(most: int) -> str:
    return f"A body may have {most / (1 << 20):g} MiB at most."


class _Bounded:
    """Receives no more than is allowed, whatever a length that was announced says."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = self._left = most

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, _words(self._most))
        return message


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in (*_READING, "POST", "PUT", "DELETE", "PATCH") else "other"
