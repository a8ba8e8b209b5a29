"""Data sets from the web, fetched whole or not at all, from a real server on the loopback."""

import asyncio
import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fetching import files_in, ids, parquet, png, refused

from vhb_shared.datasets.pin import pin_dataset
from vhb_shared.errors import Unavailable
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


class Web(ThreadingHTTPServer):
    daemon_threads = True
    files: dict[str, bytes]
    redirects: dict[str, str]
    asked: list[tuple[str, int]]
    begun: threading.Event
    cut: str | None = None
    slow: str | None = None
    status: int | None = None


class Handler(BaseHTTPRequestHandler):
    server: Web

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        server, path = self.server, self.path.partition("?")[0]
        if server.status is not None:
            return self._head(server.status, {"Content-Length": "0"})
        if path in server.redirects:
            return self._head(302, {"Location": server.redirects[path], "Content-Length": "0"})
        if path not in server.files:
            return self._head(404, {"Content-Length": "0"})
        data = server.files[path]
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            return self._head(304, {})
        self._head(200, {"Content-Length": str(len(data)), "ETag": etag})
        if path == server.slow:
            server.begun.set()
            with suppress(BrokenPipeError):
                for _ in range(100):
                    self.wfile.write(b"x" * 1000)
                    time.sleep(0.1)
            return None
        self.wfile.write(data[: len(data) // 2] if path == server.cut else data)
        self.close_connection = True
        return None

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.server.asked.append((self.path, status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(("127.0.0.1", 0), Handler) as server:
        server.files, server.redirects, server.asked = {"/d/set.parquet": parquet("x", "y")}, {}, []
        server.begun = threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def address(web: Web, path: str = "/d/set.parquet") -> str:
    return f"http://127.0.0.1:{web.server_port}{path}"


async def test_a_file_on_the_web_is_fetched_once(web: Web, store: ObjectStore) -> None:
    ref = await pin_dataset(address(web) + "?signature=secret", None, store)
    assert (ref.name, ref.source) == ("set.parquet", address(web)), "a signature is shown nowhere"
    assert "secret" not in (await store.get(layout.dataset_manifest(ref.digest))).decode()
    assert await ids(address(web), store) == ["x", "y"]
    assert await ids(address(web), store) == ["x", "y"]
    assert [status for path, status in web.asked if "?" not in path] == [200, 304]
    web.files["/d/set.parquet"] = parquet("z")
    assert await ids(address(web), store) == ["z"]


async def test_a_packed_folder_on_the_web(web: Web, store: ObjectStore) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("set/annotation.csv", "image_path;question\nimages/a.png;q\n")
        archive.writestr("set/images/a.png", png(1))
    web.files["/d/set.zip"] = buffer.getvalue()
    ref = await pin_dataset(address(web, "/d/set.zip"), None, store)
    assert (ref.name, ref.source, ref.samples) == ("set", address(web, "/d/set.zip"), 1)


async def test_a_checksum(web: Web, store: ObjectStore) -> None:
    good = hashlib.sha256(web.files["/d/set.parquet"]).hexdigest()
    assert await ids(f"{address(web)}#sha256={good}", store) == ["x", "y"]
    web.asked.clear()
    assert await ids(f"{address(web)}#sha256={good}", store) == ["x", "y"]
    assert web.asked == [], "what is known to be right is not asked for"
    assert f"its sha256 is {good}, expected {'0' * 64}" in await refused(f"{address(web)}#sha256={'0' * 64}", store)
    assert "expected #sha256=" in await refused(f"{address(web)}#md5=x", store)


async def test_redirects(web: Web, store: ObjectStore) -> None:
    web.redirects |= {
        "/r/a.parquet": "/d/set.parquet",
        "/loop": "/loop",
        "/file": "file:///etc/passwd",
        "/ftp": "ftp://x/",
    }
    assert await ids(address(web, "/r/a.parquet"), store) == ["x", "y"]
    assert "leads to file://, which is not followed" in await refused(address(web, "/file"), store)
    assert "leads to ftp://" in await refused(address(web, "/ftp"), store)
    assert "redirects more than 5 times" in await refused(address(web, "/loop"), store)


async def test_what_the_web_refuses(web: Web, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("https://", "https://[::1"):
        assert "expected an address like https://host/" in await refused(wrong, store)
    assert "no such file (status 404)" in await refused(address(web, "/nothing.parquet"), store)
    said = await refused(address(web).replace("http://", "http://me:pw@"), store)
    assert "leave name and password out" in said and "pw" not in said
    web.files["/d/set.bin"] = b"x"
    assert "no reader for this kind of file" in await refused(address(web, "/d/set.bin"), store)
    web.status = 403
    assert "refuses access" in await refused(address(web), store)
    web.status = 503
    assert "cannot answer now" in await refused(address(web), store, Unavailable)
    web.status = None
    monkeypatch.setenv("VHB_SOURCE_GIB", "0.0000001")
    assert "more than VHB_SOURCE_GIB allows" in await refused(address(web), store)
    said = await refused("http://127.0.0.1:9/x.parquet", store, Unavailable)
    assert said.endswith("the server does not answer ([Errno 111] Connection refused).")


async def test_a_file_that_broke_off_is_never_used(web: Web, store: ObjectStore, caches: Path) -> None:
    web.cut = "/d/set.parquet"
    await refused(address(web), store, Unavailable)
    assert not files_in(caches)
    web.cut = None
    assert await ids(address(web), store) == ["x", "y"]
    (kept,) = (path for path in files_in(caches) if path.name == "set.parquet")
    kept.write_bytes(kept.read_bytes()[:100])
    assert await ids(address(web), store) == ["x", "y"], "a damaged copy is fetched again"


async def test_cancelling_ends_a_download(web: Web, store: ObjectStore, caches: Path) -> None:
    web.files["/d/slow.parquet"] = b"y" * 200_000
    web.slow = "/d/slow.parquet"
    task = asyncio.create_task(pin_dataset(address(web, "/d/slow.parquet"), None, store))
    await asyncio.to_thread(web.begun.wait, 10)
    task.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 20
    assert not files_in(caches)


async def test_progress_of_fetching_is_told(web: Web, store: ObjectStore) -> None:
    told: list[tuple[int, int | None]] = []
    await pin_dataset(address(web), None, store, on_bytes=lambda done, total: told.append((done, total)))
    size = len(web.files["/d/set.parquet"])
    assert told[-1] == (size, size)
    assert json.dumps(told)
