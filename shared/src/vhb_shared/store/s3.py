"""Object storage on any S3 server: MinIO, its drop-ins, AWS."""

import asyncio
import io
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar

from minio import Minio
from urllib3.exceptions import ProtocolError

from vhb_shared.errors import NotFound, UserError
from vhb_shared.store.base import ObjectInfo, ObjectStore
from vhb_shared.store.keys import check_key, check_prefix
from vhb_shared.store.local import COPY_CHUNK, disk_errors, part_path, whole_file
from vhb_shared.store.s3_errors import translate
from vhb_shared.store.s3_http import pool_manager

T = TypeVar("T")
LIST_BATCH = 1000
PART_BYTES = 16 << 20
"""Objects larger than this go up in parts, one in memory at a time."""
QUICK_S = 1.0


class S3Store(ObjectStore):
    """Objects of one bucket. Uses only what every S3 server does alike: put, get, stat, list, delete.

    The client is synchronous; it works in threads of this store's own, each with a connection. Nothing is retried
    here beyond a connection that the server had closed: callers wait and try again on `Unavailable`.
    """

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        *,
        secure: bool = True,
        region: str | None = None,
        ca_file: Path | None = None,
        threads: int = 16,
        connect_timeout_s: float = 3.0,
        read_timeout_s: float = 30.0,
    ) -> None:
        """
        Args:
            endpoint: `host:port`, without a scheme.
            bucket: exists already.
            access_key: never logged.
            secret_key: never logged.
            secure: https.
            region: None is `us-east-1`, which servers other than AWS accept.
            ca_file: certificates to trust instead of the system's.
            threads: requests in flight; others wait for a thread.
            connect_timeout_s: for opening a connection.
            read_timeout_s: between two bytes of a response.

        Raises:
            UserError: the endpoint is not a host and port, or the certificates cannot be read.
        """
        if ca_file is not None and not os.access(ca_file, os.R_OK):
            raise UserError(f"VHB_S3_CA: {ca_file} cannot be read.")
        self._bucket = bucket
        self._where = f"{'https' if secure else 'http'}://{endpoint}"
        try:
            self._client = Minio(
                endpoint=endpoint,
                access_key=access_key,
                secret_key=secret_key,
                secure=secure,
                region=region or "us-east-1",
                http_client=pool_manager(threads, connect_timeout_s, read_timeout_s, ca_file),
            )
        except ValueError as error:
            raise UserError(f"VHB_S3_ENDPOINT {endpoint!r} is not a host with a port ({error}).") from error
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="s3")

    def __repr__(self) -> str:
        return f"S3Store({self._where!r}, {self._bucket!r})"

    async def __aexit__(self, *exc: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        probe = f"vhb-probe/{uuid.uuid4().hex}"
        await self.put(probe, b"probe")
        await self.delete(probe)

    async def put(self, key: str, data: bytes) -> None:
        check_key(key)
        await self._run(key, lambda: self._upload(key, io.BytesIO(data), len(data)))

    async def put_file(self, key: str, path: Path) -> None:
        check_key(key)

        def upload() -> None:
            with path.open("rb") as source:
                self._upload(key, source, path.stat().st_size)

        await self._run(key, upload)

    async def get(self, key: str) -> bytes:
        check_key(key)
        return await self._run(key, lambda: b"".join(self._content(key)))

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        check_key(key)

        def read() -> bytes:
            response = self._client.get_object(bucket_name=self._bucket, object_name=key, offset=start, length=length)
            with closing(response):
                data = response.read()
                response.release_conn()
            return data

        return await self._run(key, read)

    def presigned(self, key: str, seconds: int) -> str | None:
        check_key(key)
        return self._client.presigned_get_object(
            bucket_name=self._bucket, object_name=key, expires=timedelta(seconds=seconds)
        )

    async def get_file(self, key: str, path: Path) -> None:
        check_key(key)

        def download() -> None:
            with disk_errors(f"writing to {path.parent}"):
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(part_path(path), path, sync=True) as file:
                    for chunk in self._content(key):
                        file.write(chunk)

        await self._run(key, download)

    async def exists(self, key: str) -> bool:
        check_key(key)
        try:
            await self._run(key, lambda: self._client.stat_object(bucket_name=self._bucket, object_name=key))
        except NotFound:
            return False
        return True

    async def version(self, key: str) -> str:
        check_key(key)

        def ask() -> str:
            found = self._client.stat_object(bucket_name=self._bucket, object_name=key)
            # Not every server's tag is a hash of the content.
            return f"{found.etag}-{found.size}-{found.last_modified.timestamp() if found.last_modified else 0:.0f}"

        return await self._run(key, ask)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        check_prefix(prefix)
        found = self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True)
        last: str | None = None
        while batch := await self._run(None, lambda: tuple(islice(found, LIST_BATCH)), again=False):
            for item in batch:
                # Some servers list a key twice while it is being written again.
                if item.object_name is not None and not item.is_dir and item.object_name != last:
                    last = item.object_name
                    yield ObjectInfo(item.object_name, item.size or 0)

    async def delete(self, key: str) -> None:
        check_key(key)
        with suppress(NotFound):
            await self._run(key, lambda: self._client.remove_object(bucket_name=self._bucket, object_name=key))

    def _upload(self, key: str, data: "io.BufferedIOBase | io.BufferedReader", length: int) -> None:
        data.seek(0)
        self._client.put_object(
            bucket_name=self._bucket,
            object_name=key,
            data=data,  # type: ignore[arg-type]
            length=length,
            part_size=PART_BYTES,
            num_parallel_uploads=1,
        )

    def _content(self, key: str) -> Iterator[bytes]:
        response = self._client.get_object(bucket_name=self._bucket, object_name=key)
        with closing(response):
            yield from response.stream(COPY_CHUNK)
            response.release_conn()

    async def _run(self, key: str | None, work: Callable[[], T], *, again: bool = True) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self._guarded(key, work, again))

    def _guarded(self, key: str | None, work: Callable[[], T], again: bool) -> T:
        started = time.monotonic()
        try:
            return work()
        except ProtocolError as error:
            # A kept connection that the server closed fails at once; a second try opens a new one.
            if again and time.monotonic() - started < QUICK_S:
                return self._guarded(key, work, False)
            raise self._translated(error, key) from error
        except Exception as error:
            raise self._translated(error, key) from error

    def _translated(self, error: Exception, key: str | None) -> Exception:
        return translate(error, self._where, self._bucket, key) or error
