"""One attempt: where it connects to, whom it trusts, how much it takes."""

import asyncio
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from receiver import Came, answering, receiver

from vhb_api.webhooks.sender import Answer, Sender
from vhb_api.webhooks.settings import WebhookSettings

sys.path.insert(0, str(Path(__file__).parent.parent / "access"))

from certificates import Certificates, certificates


async def sent(url: str, settings: WebhookSettings) -> Answer:
    async with Sender(settings) as sender:
        return await sender.send(url, "{}", {"webhook-id": "msg_1"})


LOOPBACK = WebhookSettings(private="127.0.0.1", timeout_s=1)  # type: ignore[arg-type]


async def test_no_name_leads_to_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that resolve to one, or at first to another; numbers in other writings; what a redirect names."""
    strict = WebhookSettings()
    asked = 0
    real = socket.getaddrinfo

    def changing(host: Any, port: Any, *about: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        return real("127.0.0.1" if host == "rebound.example" else host, port, *about, **more)

    async with receiver() as there:
        port = there.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"):
            found = await sent(f"http://{host}:{port}", strict)
            assert found.status is None, (host, found)
            refused = ("VHB_API_WEBHOOKS_PRIVATE names", "is not a canonical IPv4 address")
            assert any(words in (found.error or "") for words in refused), (host, found)
        monkeypatch.setattr("vhb_api.webhooks.sender.socket.getaddrinfo", changing)
        found = await sent(f"http://rebound.example:{port}", strict)
        assert asked == 1, "what was checked is what is connected to"
        assert "127.0.0.1 is no public address" in (found.error or "")
        assert not there.came
        assert (await sent(f"http://rebound.example:{port}", LOOPBACK)).ok
        there.answer = answering(307, headers={"Location": "http://127.0.0.1:1/secret"})
        found = await sent(there.url, LOOPBACK)
        assert (found.status, found.error) == (307, "It answered 307; redirects are not followed.")
        assert len(there.came) == 2


async def test_the_certificate_has_to_be_of_that_name_and_of_somebody_trusted(tmp_path: Path) -> None:
    made: Certificates = certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    async with receiver(context, "0.0.0.0") as there:
        trusting = WebhookSettings(private="127.0.0.0/8", ca=made.authority)  # type: ignore[arg-type]
        assert (await sent(there.url, trusting)).ok
        assert (await sent(there.url.replace("127.0.0.1", "localhost"), trusting)).ok
        other = await sent(there.url.replace("127.0.0.1", "127.0.0.2"), trusting)
        unknown = await sent(there.url, trusting.model_copy(update={"ca": None}))
        for found in (other, unknown):
            assert found.status is None and "certificate is not trusted" in (found.error or ""), found
        assert len(there.came) == 2


async def test_answers_are_bounded_in_time_and_size() -> None:
    async with receiver() as there:

        async def silent(came: Came) -> web.StreamResponse:
            await asyncio.sleep(30)
            return web.Response()

        there.answer = answering(200, text="x" * (8 << 20))
        found = await sent(there.url, LOOPBACK)
        assert found.ok and found.response == "x" * 1024
        there.answer = silent
        found = await sent(there.url, LOOPBACK)
        assert found.error == "No answer within 1 s." and 0.9 < found.seconds < 10
    closed = await sent(there.url, LOOPBACK)
    assert closed.status is None and "refused" in (closed.error or "").lower()
    nowhere = await sent("https://nothing.invalid/", WebhookSettings())
    assert nowhere.status is None and nowhere.error


async def test_a_receiver_that_drips_its_headers_is_given_up() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            writer.write(b"X-%d: y\r\n" % number)
            await asyncio.sleep(0.2)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = await sent(f"http://127.0.0.1:{port}", LOOPBACK)
    server.close()
    assert found.error == "No answer within 1 s." and found.seconds < 10
