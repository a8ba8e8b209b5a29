"""Objects of an S3 bucket, with the server and the keys of VHB_S3_*."""

import fnmatch
import hashlib
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from minio import Minio

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.sources.base import Fetched, Fetcher, Fetching
from vhb_shared.errors import NotFound, Unavailable, UserError, VhbError
from vhb_shared.settings import StoreSettings
from vhb_shared.store.keys import check_key
from vhb_shared.store.local import COPY_CHUNK, disk_errors, part_path
from vhb_shared.store.open import endpoint_parts
from vhb_shared.store.s3_errors import translate
from vhb_shared.store.s3_http import pool_manager

MAX_OBJECTS = 1_000_000


class _Object(NamedTuple):
    key: str
    size: int
    etag: str


class S3Fetcher(Fetcher):
    """`s3://bucket/prefix` (a folder) or `s3://bucket/key.parquet`. A listing that is the same as last time is not
    fetched again."""

    schemes = ("s3",)
    describe = "s3://bucket/prefix"

    def _fetch(self, how: DatasetSource, fetching: Fetching) -> Fetched:
        parts = urlsplit(how.source)
        bucket, wanted = parts.netloc, parts.path.strip("/")
        if not bucket or parts.query or parts.fragment:
            raise UserError(f'data set "{how.source}": expected s3://bucket/prefix')
        client, where = _client()
        try:
            found = _listing(client, bucket, wanted, how)
            fetching.expect(sum(item.size for item in found))
            listing = json.dumps([where, bucket, wanted, found]).encode()
            place = self._settings.sources_directory() / "s3" / hashlib.sha256(listing).hexdigest()[:32]
            with disk_errors(f"writing to {place}"):
                if not place.exists():
                    _copy(client, bucket, wanted, found, place, fetching)
        except VhbError:
            raise
        except InterruptedError:
            raise
        except Exception as error:
            raise translate(error, where, bucket, wanted or None) or error from error
        name = wanted.rsplit("/", 1)[-1] or bucket
        single = len(found) == 1 and found[0].key == wanted
        return Fetched(place / name if single else place, how, name)


def _client() -> tuple[Minio, str]:
    settings = StoreSettings()
    keys = settings.s3_keys()
    if not settings.s3_endpoint or keys is None:
        raise UserError(
            "data sets on s3:// need a server and keys: set VHB_S3_ENDPOINT, VHB_S3_ACCESS_KEY and VHB_S3_SECRET_KEY"
        )
    host, secure = endpoint_parts(settings.s3_endpoint)
    client = Minio(
        endpoint=host,
        access_key=keys[0],
        secret_key=keys[1],
        secure=secure,
        region=settings.s3_region or "us-east-1",
        http_client=pool_manager(2, 3.0, 60.0, settings.s3_ca),
    )
    return client, settings.s3_endpoint


def _listing(client: Minio, bucket: str, wanted: str, how: DatasetSource) -> list[_Object]:
    """The object of that key, else all below it as a folder."""
    found: list[_Object] = []
    for item in client.list_objects(bucket_name=bucket, prefix=wanted, recursive=True):
        key = item.object_name or ""
        if item.is_dir or not (key == wanted or key.startswith(f"{wanted}/" if wanted else "")):
            continue
        relative = key[len(wanted) :].lstrip("/")
        if key != wanted and how.files and not any(fnmatch.fnmatchcase(relative, pattern) for pattern in how.files):
            continue
        check_key(key)  # nothing that would leave the folder
        found.append(_Object(key, item.size or 0, item.etag or ""))
        if len(found) > MAX_OBJECTS:
            raise UserError(f'data set "{how.source}": has more than {MAX_OBJECTS} objects; name a part of it')
    if not found:
        raise UserError(f'data set "{how.source}": there is no such object or folder; check the bucket and the prefix')
    exact = [item for item in found if item.key == wanted]
    return exact or sorted(found)


def _copy(client: Minio, bucket: str, wanted: str, found: list[_Object], place: Path, fetching: Fetching) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    work = part_path(place)
    try:
        for item in found:
            relative = item.key[len(wanted) :].lstrip("/") or item.key.rsplit("/", 1)[-1]
            target = work / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _object(client, bucket, item, target, fetching)
            except Exception as error:
                translated = translate(error, fetching.source, bucket, item.key)
                if isinstance(translated, NotFound):
                    raise Unavailable(f'data set "{fetching.source}": {item.key} went away meanwhile.') from error
                raise
        try:
            work.rename(place)
        except OSError:
            if not place.exists():  # else another process was quicker
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _object(client: Minio, bucket: str, item: _Object, target: Path, fetching: Fetching) -> None:
    response = client.get_object(bucket_name=bucket, object_name=item.key)
    size = 0
    with closing(response), target.open("xb") as file:
        for chunk in response.stream(COPY_CHUNK):
            fetching.came(len(chunk))
            size += len(chunk)
            file.write(chunk)
        response.release_conn()
    if size != item.size:
        raise Unavailable(f'data set "{fetching.source}": {item.key} has {size} bytes, the listing says {item.size}.')
