"""The one place that chooses a kind of storage."""

from urllib.parse import urlsplit

from vhb_shared.errors import UserError
from vhb_shared.settings import StoreSettings
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore


def open_store(settings: StoreSettings) -> ObjectStore:
    """The storage that the settings describe: an S3 server where one is named, else a directory.

    Raises:
        UserError: neither is named, or an S3 setting is missing or malformed.
    """
    if settings.s3_endpoint:
        return _s3(settings, settings.s3_endpoint)
    if settings.store_dir is not None:
        return DirectoryStore(settings.store_dir)
    raise UserError("no object storage is configured: set VHB_S3_ENDPOINT (and its keys) or VHB_STORE_DIR.")


def _s3(settings: StoreSettings, endpoint: str) -> ObjectStore:
    from vhb_shared.store.s3 import S3Store  # the client takes a tenth of a second to import; a directory needs none

    keys = settings.s3_keys()
    if keys is None:
        raise UserError(
            f"object storage at {endpoint} needs keys: set VHB_S3_ACCESS_KEY and VHB_S3_SECRET_KEY, or name files that "
            "hold them in VHB_S3_ACCESS_KEY_FILE and VHB_S3_SECRET_KEY_FILE."
        )
    host, secure = endpoint_parts(endpoint)
    return S3Store(
        host,
        settings.s3_bucket,
        *keys,
        secure=secure,
        region=settings.s3_region,
        ca_file=settings.s3_ca,
    )


def endpoint_parts(endpoint: str) -> tuple[str, bool]:
    """Host with port, and whether it is https.

    Raises:
        UserError: it is no such address.
    """
    parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.username:
        raise UserError(f"VHB_S3_ENDPOINT {endpoint!r} is not an address like http://host:9000 or https://host.")
    return parts.netloc, parts.scheme == "https"
