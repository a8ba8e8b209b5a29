"""Somebody who receives webhooks: a real HTTP server on loopback that writes down what comes, and answers as told."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook


@dataclass
class Came:
    """A request."""

    headers: dict[str, str]
    text: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.text)

    def verify(self, secret: str) -> Any:
        """As the specification's own library does it."""
        return Webhook(secret).verify(self.text, self.headers)


@dataclass
class Receiver:
    """What came, and what is answered."""

    url: str
    came: list[Came] = field(default_factory=list)
    answer: Callable[[Came], Awaitable[web.StreamResponse]] | None = None
    """None: 204."""

    @property
    def kinds(self) -> list[str]:
        return [one.event["type"] for one in self.came]

    async def until(self, wanted: Callable[[list[Came]], bool], most_s: float = 20) -> list[Came]:
        """What came, as soon as it is enough."""
        try:
            async with asyncio.timeout(most_s):
                while not wanted(self.came):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"came: {self.kinds}") from None
        return self.came


def answering(*statuses: int, headers: dict[str, str] | None = None, text: str = "") -> Any:
    """These, one after the other, and the last one from then on."""
    left = list(statuses)

    async def answer(came: Came) -> web.StreamResponse:
        status = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, headers=headers, text=text if status != 204 else None)

    return answer


@asynccontextmanager
async def receiver(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """Listening; gone afterwards."""
    made = Receiver("")

    async def take(request: web.Request) -> web.StreamResponse:
        came = Came({name.lower(): value for name, value in request.headers.items()}, await request.text())
        made.came.append(came)
        return await made.answer(came) if made.answer is not None else web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    made.url = f"{'https' if context else 'http'}://127.0.0.1:{port}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()
