"""Data sets from buckets, fetched whole or not at all, from a real S3 server on the loopback."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetching import files_in, ids, parquet, png, refused
from minio import Minio

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.pin import pin_dataset
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store.base import ObjectStore
from vhb_shared.testing.s3_server import S3Server


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
