"""Data sets from the hub, a bucket and the web: fetched whole or not at all, from real servers on the loopback."""

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

import polars as pl
import pytest
from minio import Minio
from PIL import Image

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.pin import load_manifest, pin_dataset
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.hub import Hub, running_hub
from vhb_shared.testing.s3_server import S3Server


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def parquet(*names: str) -> bytes:
    buffer = io.BytesIO()
    rows = [{"id": name, "image": {"bytes": png(n), "path": None}, "query": f"{name}?"} for n, name in enumerate(names)]
    pl.DataFrame(rows).write_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VHB_SOURCES_DIR", str(tmp_path / "sources"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "VHB_SOURCE_GIB"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "sources"


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


async def ids(source: str | DatasetSource, store: ObjectStore) -> list[str]:
    ref = await pin_dataset(source, None, store)
    return pl.read_parquet(await store.get(layout.dataset_samples(ref.digest)))["id"].to_list()


async def refused(source: str | DatasetSource, store: ObjectStore, kind: type[Exception] = UserError) -> str:
    with pytest.raises(kind) as caught:
        await pin_dataset(source, None, store)
    return str(caught.value)


# The hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "hub" / "org" / "bench"
    for name, rows in {
        "one/val-00000-of-00002.parquet": ("a",),
        "one/val-00001-of-00002.parquet": ("b",),
        "one/test-00000-of-00001.parquet": ("t",),
        "two/val-00000-of-00001.parquet": ("c",),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(parquet(*rows))
    (folder / "README.md").write_text("# A data set\n")
    pages = folder / "pages"
    pages.mkdir()
    (pages / "rows.jsonl").write_text('{"id": "p", "image": "images/p.png", "query": "?"}\n')
    (pages / "images").mkdir()
    (pages / "images/p.png").write_bytes(png(9))
    with running_hub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def fetched_files(hub: Hub) -> list[str]:
    return sorted({asked.partition("/resolve/")[2].partition("/")[2] for asked in hub.asked if "/resolve/" in asked})


async def test_a_split_of_a_configuration_of_the_hub(hub: Hub, store: ObjectStore) -> None:
    source = DatasetSource(source="hf://org/bench/one:val", columns={"question": "query"})
    ref = await pin_dataset(source, None, store)
    frame = pl.read_parquet(await store.get(layout.dataset_samples(ref.digest)))
    assert frame["id"].to_list() == ["a", "b"] and frame["question"].to_list() == ["a?", "b?"]
    assert (ref.name, ref.source) == ("org/bench", "hf://org/bench/one:val")
    how = (await load_manifest(ref.digest, store)).how
    assert how is not None and len(how.revision or "") == 40, "the exact commit is kept"
    assert fetched_files(hub) == ["README.md", "one/val-00000-of-00002.parquet", "one/val-00001-of-00002.parquet"]
    assert await ids(f"hf://datasets/org/bench@{how.revision}/one:val", store) == ["a", "b"]
    assert await ids(DatasetSource(source="hf://org/bench/one:val", split="test"), store) == ["t"]
    assert await ids(DatasetSource(source="hf://org/bench", config="*", split="val"), store) == ["a", "b", "c"]


async def test_offline_from_the_cache(hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    hub.shutdown()
    hub.server_close()
    assert "does not answer" in await refused("hf://org/bench/one:val", store, Unavailable)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    assert "1 of 1 files are not in the cache" in await refused("hf://org/bench/one:test", store)
    assert "is not in the cache; fetch it once" in await refused("hf://org/other", store)


async def test_a_local_snapshot_is_a_folder(hub: Hub, store: ObjectStore, tmp_path: Path) -> None:
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    (snapshot,) = (tmp_path / "hf/hub/datasets--org--bench/snapshots").iterdir()
    assert await ids(DatasetSource(source=str(snapshot), config="one", split="val"), store) == ["a", "b"]


async def test_a_download_that_broke_off_is_never_used(
    hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fail_on = "one/val-00001-of-00002.parquet"
    with pytest.raises((Unavailable, UserError)):
        await pin_dataset("hf://org/bench/one:val", None, store)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "1 of 2 files are not in the cache" in await refused("hf://org/bench/one:val", store)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.fail_on = None
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]


async def test_files_of_the_hub_that_are_no_parquet(
    hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hub.root / "org/bench/annotation.csv").write_text("image_path;question\npages/images/p.png;q\n")
    folder = DatasetSource(source="hf://org/bench", files=("annotation.csv", "pages/images/*"))
    assert await ids(folder, store) == ["0"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert await ids(folder, store) == ["0"]
    monkeypatch.delenv("HF_HUB_OFFLINE")
    one = DatasetSource(source="hf://org/bench", files=("one/test-00000-of-00001.parquet",))
    assert await ids(one, store) == ["t"], "one file by its name is that file"
    assert 'has no file "nowhere/*"' in await refused(one.model_copy(update={"files": ("nowhere/*",)}), store)


async def test_what_the_hub_refuses(hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such data set" in await refused("hf://org/nothing", store)
    assert "no such revision" in await refused("hf://org/bench@v9/one:val", store)
    assert 'no split "dev"; there are: ' in await refused("hf://org/bench/one:dev", store)
    assert "expected hf://org/name" in await refused("hf://bench", store)
    hub.token = "secret"
    assert "set HF_TOKEN" in await refused("hf://org/bench/one:val", store)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    monkeypatch.setenv("VHB_SOURCE_GIB", "0.0000001")
    assert "more than VHB_SOURCE_GIB allows" in await refused("hf://org/bench/one:val", store)


async def test_a_hub_in_trouble_is_waited_for(hub: Hub, store: ObjectStore) -> None:
    hub.broken = True
    assert "the hub cannot answer now (status 503)" in await refused("hf://org/bench/one:val", store, Unavailable)


# Buckets


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Minio:
    monkeypatch.setenv("VHB_S3_ENDPOINT", f"http://{s3.endpoint}")
    monkeypatch.setenv("VHB_S3_ACCESS_KEY", s3.access_key)
    monkeypatch.setenv("VHB_S3_SECRET_KEY", s3.secret_key)
    return Minio(endpoint=s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key, secure=False)


def put(client: Minio, key: str, data: bytes) -> None:
    client.put_object(bucket_name="bucket", object_name=key, data=io.BytesIO(data), length=len(data))


async def test_a_folder_and_a_file_in_a_bucket(bucket: Minio, store: ObjectStore, caches: Path) -> None:
    put(bucket, "docs/annotation.csv", b"image_path;question\nimages/a.png;q\n")
    put(bucket, "docs/images/a.png", png(1))
    put(bucket, "docs-other/x.txt", b"not of the folder")
    put(bucket, "sets/b.parquet", parquet("x", "y"))
    ref = await pin_dataset("s3://bucket/docs", None, store)
    assert (ref.name, ref.samples) == ("docs", 1)
    assert await ids("s3://bucket/sets/b.parquet", store) == ["x", "y"]
    before = files_in(caches)
    assert not any("docs-other" in str(path) or path.name == "x.txt" for path in before)
    await pin_dataset("s3://bucket/docs/", None, store)
    assert files_in(caches) == before, "not fetched again"
    put(bucket, "docs/annotation.csv", b"image_path;question\nimages/a.png;q\nimages/a.png;q2\n")
    assert await ids("s3://bucket/docs", store) == ["0", "1"], "what was changed is fetched again"
    only = DatasetSource(source="s3://bucket/docs", files=("images/*",))
    assert await ids(only, store) == ["0"]


async def test_what_a_bucket_refuses(bucket: Minio, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such object or folder" in await refused("s3://bucket/nowhere", store)
    assert "expected s3://bucket/prefix" in await refused("s3:///x", store)
    with pytest.raises((UserError, Unavailable), match="no-such-bucket"):
        await pin_dataset("s3://no-such-bucket/x", None, store)
    monkeypatch.setenv("VHB_SOURCE_GIB", "0.00000001")
    put(bucket, "docs2/a.png", png(1))
    assert "more than VHB_SOURCE_GIB allows" in await refused("s3://bucket/docs2", store)
    monkeypatch.delenv("VHB_SOURCE_GIB")
    monkeypatch.setenv("VHB_S3_SECRET_KEY", "wrong" * 4)
    assert "VHB_S3" in await refused("s3://bucket/docs2", store)
    monkeypatch.delenv("VHB_S3_ENDPOINT")
    assert "set VHB_S3_ENDPOINT" in await refused("s3://bucket/docs2", store)


async def test_a_bucket_that_went_away(bucket: Minio, store: ObjectStore, s3: S3Server, caches: Path) -> None:
    put(bucket, "gone/a.png", png(1))
    s3.kill()
    try:
        assert "object storage" in await refused("s3://bucket/gone", store, Unavailable)
        assert not files_in(caches)
    finally:
        s3.start()


# The web


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
    assert time.monotonic() - started < 5
    assert not files_in(caches)


async def test_progress_of_fetching_is_told(web: Web, store: ObjectStore) -> None:
    told: list[tuple[int, int | None]] = []
    await pin_dataset(address(web), None, store, on_bytes=lambda done, total: told.append((done, total)))
    size = len(web.files["/d/set.parquet"])
    assert told[-1] == (size, size)
    assert json.dumps(told)
