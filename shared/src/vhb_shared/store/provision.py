"""`python -m vhb_shared.store.provision`: the bucket, and a user with its role's policy for each key; idempotent.

Users are made through the admin API of MinIO and its drop-ins. Other servers have their own tools: there, make users
with the documents that `vhb init` writes to `policies/`, and set VHB_S3_PROVISION=bucket here.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import structlog
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from pydantic_settings import BaseSettings, SettingsConfigDict

from vhb_shared.access.roles import Role, role
from vhb_shared.access.storage import policy
from vhb_shared.errors import Unavailable, UserError, VhbError
from vhb_shared.logging import configure_logging
from vhb_shared.settings import LogSettings, StoreSettings
from vhb_shared.store.open import endpoint_parts
from vhb_shared.store.s3_errors import translate
from vhb_shared.store.s3_http import pool_manager

log = structlog.get_logger(__name__)


class ProvisionSettings(BaseSettings):
    """From the environment, prefix VHB_S3_; the keys in StoreSettings are those of an administrator."""

    model_config = SettingsConfigDict(env_prefix="VHB_S3_", extra="ignore", frozen=True)

    provision: Literal["users", "bucket"] = "users"
    """`bucket`: users are made elsewhere."""
    keys_dir: Path = Path("/run/secrets/s3")
    """<user>.access_key, <user>.secret_key, <user>.role"""
    patience_s: float = 60
    """How long to wait for a server that is starting."""


class StorageUser(NamedTuple):
    """A key to object storage."""

    access_key: str
    secret_key: str
    role: Role


def users(directory: Path) -> list[StorageUser]:
    """The keys in a folder that have a role.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    found = []
    try:
        for path in sorted(directory.glob("*.role")):
            keys = [path.with_suffix(suffix).read_text().strip() for suffix in (".access_key", ".secret_key")]
            found.append(StorageUser(keys[0], keys[1], role(path.read_text().strip())))
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}): run `vhb init`.") from None
    if not found:
        raise UserError(f"{directory} holds no keys: run `vhb init`, and mount its secrets/s3 there.")
    return found


def provision(store: StoreSettings, wished: ProvisionSettings) -> None:
    """Makes bucket, policies and users. Blocks.

    Raises:
        UserError: a setting is wrong, or the server refuses.
        Unavailable: it does not answer.
    """
    keys = store.s3_keys()
    if not store.s3_endpoint or keys is None:
        raise UserError("set VHB_S3_ENDPOINT, VHB_S3_ACCESS_KEY_FILE and VHB_S3_SECRET_KEY_FILE of an administrator.")
    host, secure = endpoint_parts(store.s3_endpoint)
    http = pool_manager(4, 3, 30, store.s3_ca)
    region = store.s3_region or "us-east-1"
    client = Minio(
        endpoint=host, access_key=keys[0], secret_key=keys[1], secure=secure, region=region, http_client=http
    )

    def bucket() -> None:
        if not client.bucket_exists(bucket_name=store.s3_bucket):
            client.make_bucket(bucket_name=store.s3_bucket)
            log.info("bucket_made", bucket=store.s3_bucket)

    _patiently(bucket, store, wished.patience_s)
    if wished.provision == "bucket":
        log.info("users_left_alone", reason="VHB_S3_PROVISION=bucket")
        return
    admin = MinioAdmin(endpoint=host, credentials=StaticProvider(*keys), region=region, secure=secure, http_client=http)
    known = users(wished.keys_dir)
    _patiently(lambda: _make_users(admin, known, store.s3_bucket), store, wished.patience_s)


def _make_users(admin: MinioAdmin, known: list[StorageUser], bucket: str) -> None:
    for name in sorted({user.role for user in known}):
        admin.policy_add(f"vhb-{name}", policy=json.loads(policy(name, bucket)))
    for user in known:
        admin.user_add(user.access_key, user.secret_key)
        admin.policy_set(f"vhb-{user.role}", user=user.access_key)
        log.info("user_made", access_key=user.access_key, role=user.role)


def _patiently(work: Callable[[], None], store: StoreSettings, patience_s: float) -> None:
    give_up = time.monotonic() + patience_s
    while True:
        try:
            return work()
        except Exception as error:
            known = _translated(error, store)
            if known is None or isinstance(known, UserError) or time.monotonic() > give_up:
                raise known or error from error
            log.info("waiting", reason=str(known))
        time.sleep(0.5)


def _translated(error: Exception, store: StoreSettings) -> VhbError | None:
    if isinstance(error, MinioAdminException):
        return UserError(
            f"the admin API at {store.s3_endpoint} refuses ({str(error)[:300]}): give the administrator's keys, or set "
            "VHB_S3_PROVISION=bucket where the server has none."
        )
    return translate(error, str(store.s3_endpoint), store.s3_bucket, None)


def main() -> None:
    """Exit codes as of every process: 2 for what a person can mend, 3 for a server that does not answer."""
    configure_logging(LogSettings(), service="provision-s3")
    try:
        provision(StoreSettings(), ProvisionSettings())
    except UserError as error:
        print(f"provision-s3: {error}", file=sys.stderr)
        sys.exit(2)
    except Unavailable as error:
        print(f"provision-s3: {error}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
