"""A server that dies, hangs, refuses: what the S3 store makes of it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store.s3 import S3Store
from vhb_shared.testing.s3_server import S3Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with S3Server(tmp_path / "s3") as running:
        yield running


def store_on(server: S3Server, **changes: object) -> S3Store:
    options: dict[str, object] = {
        "endpoint": server.endpoint,
        "bucket": server.bucket,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
        "secure": False,
        "read_timeout_s": 1.0,
        "connect_timeout_s": 1.0,
        **changes,
    }
    return S3Store(**options)  # type: ignore[arg-type]


@asynccontextmanager
async def store_that_is_told(reply: bytes) -> AsyncIterator[S3Store]:
    """A store on a server that says the same to every request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, S3Store(f"127.0.0.1:{port}", "bucket", "a", "b", secure=False) as store:
        yield store


async def test_killed_and_restarted(server: S3Server) -> None:
    async with store_on(server) as store:
        await store.put("before", b"1")
        server.kill()
        with pytest.raises(Unavailable, match="does not answer"):
            await store.put("during", b"2")
        with pytest.raises(Unavailable):
            await store.get("before")
        server.start()
        assert await store.get("before") == b"1"
        await store.put("after", b"3")
        assert [info.key async for info in store.list("")] == ["after", "before"]


async def test_a_restart_between_requests_goes_unnoticed(server: S3Server) -> None:
    async with store_on(server) as store:
        await asyncio.gather(*(store.put(f"warm/{number}", b"x") for number in range(16)))
        server.kill()
        server.start()
        await asyncio.gather(*(store.get(f"warm/{number}") for number in range(16)))


async def test_killed_while_uploading(server: S3Server) -> None:
    async with store_on(server) as store:
        await store.put("key", b"old")
        uploads = [asyncio.create_task(store.put("key", b"n" * (40 << 20))) for _ in range(2)]
        await asyncio.sleep(0.1)
        server.kill()
        ended = await asyncio.gather(*uploads, return_exceptions=True)
        assert any(isinstance(result, Unavailable) for result in ended), ended
        server.start()
        assert await store.get("key") in (b"old", b"n" * (40 << 20))


async def test_hanging_server_is_given_up_in_time_and_found_again(server: S3Server) -> None:
    async with store_on(server) as store:
        await store.put("key", b"1")
        server.pause()
        started = time.monotonic()
        results = await asyncio.gather(
            store.get("key"),
            store.put("other", b"2"),
            store.put("big", b"x" * (24 << 20)),
            store.exists("key"),
            return_exceptions=True,
        )
        assert all(isinstance(result, Unavailable) for result in results), results
        # The upload waits for its chunk, then for the clean-up request; the rest for one read.
        assert time.monotonic() - started < 30
        server.resume()
        assert await store.get("key") == b"1"


async def test_wrong_secret(server: S3Server) -> None:
    async with store_on(server, secret_key="wrong") as store:
        with pytest.raises(UserError, match="VHB_S3_SECRET_KEY") as caught:
            await store.check()
    assert server.secret_key not in str(caught.value)
    assert server.access_key not in repr(store)


async def test_missing_bucket(server: S3Server) -> None:
    async with store_on(server, bucket="nowhere") as store:
        with pytest.raises(UserError, match=r"no bucket 'nowhere'.*VHB_S3_BUCKET"):
            await store.check()


async def test_nobody_there(server: S3Server) -> None:
    server.kill()
    async with store_on(server) as store:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            await store.check()
        assert time.monotonic() - started < 20


async def test_not_an_s3_server() -> None:
    async with store_that_is_told(
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\noops"
    ) as store:
        with pytest.raises(UserError, match="VHB_S3_ENDPOINT"):
            await store.get("key")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_errors_of_the_server_are_waited_out(status: int) -> None:
    body = b"<Error><Code>SlowDown</Code><Message>slow</Message></Error>" if status == 503 else b"gateway"
    kind = b"application/xml" if status == 503 else b"text/plain"
    async with store_that_is_told(
        b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)
    ) as store:
        with pytest.raises(Unavailable):
            await store.get("key")


async def test_a_cut_download_leaves_no_file(tmp_path: Path) -> None:
    async with store_that_is_told(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly the beginning") as store:
        with pytest.raises(Unavailable):
            await store.get_file("key", tmp_path / "file")
        with pytest.raises(Unavailable):
            await store.get("key")
    assert not any(os.scandir(tmp_path))


def test_endpoint_with_a_path_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match="VHB_S3_ENDPOINT"):
        S3Store("host:9000/path", "bucket", "a", "b")
