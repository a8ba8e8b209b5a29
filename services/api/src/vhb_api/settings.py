"""The service's own settings, from environment variables `VHB_API_*`."""

import ipaddress
import ssl
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vhb_shared.errors import UserError


class ApiSettings(BaseSettings):
    """Where the database is, where the interface listens, what it takes."""

    model_config = SettingsConfigDict(env_prefix="VHB_API_", extra="ignore", frozen=True, env_ignore_empty=True)

    database: str = Field("sqlite:///vhb-api.db", repr=False)
    """`sqlite:///FILE`, by default a file in the working directory; or `postgresql://USER:PASSWORD@HOST/NAME`."""
    database_password_file: Path | None = None
    """A file with the password of PostgreSQL, for an address without one."""
    host: str = "127.0.0.1"
    port: int = Field(8477, ge=0, le=65535)
    """0: a free one."""
    address_file: Path | None = None
    """Where to write the interface's address when it listens."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_network: bool = False
    """Whether to listen without TLS beyond this machine: something before the service ends TLS, or keeps others out."""
    admin_token_file: Path | None = None
    """A file with a token that is an administrator's."""
    data_dir: Path | None = None
    """Where files that jobs name start; no job reads a file elsewhere. None: jobs name no files."""
    work_dir: Path = Path("vhb-api-files")
    """Where uploads lie, and what previews are made of."""
    upload_file_gib: float = Field(8, gt=0)
    """Of one file of an upload."""
    upload_gib: float = Field(20, gt=0)
    """Of all files of an upload, unpacked."""
    uploads_gib: float = Field(100, gt=0)
    """Of all uploads together."""
    upload_files: int = Field(100_000, ge=1)
    """Files of an upload."""
    upload_hours: float = Field(24, gt=0)
    """An upload that nobody used for so long is removed."""
    sources: Annotated[tuple[str, ...], NoDecode] = ("hf", "s3", "https", "http")
    """Kinds of address that data sets are fetched from, separated by commas; `none`: no data sets are fetched."""
    max_body_mib: float = Field(16, gt=0)
    """Of what is handed in."""
    submissions_at_once: int = Field(2, ge=1)
    """Jobs whose data are read at a time; others are told to come again."""
    queries_at_once: int = Field(2, ge=1)
    """Queries that run at a time; others wait a few seconds, then they are told to come again."""
    query_seconds: float = Field(60, gt=0)
    """That one query may take at most."""
    query_memory_mib: int = Field(1024, ge=64)
    """That one query may take at most."""
    requests_per_minute: int = Field(3000, ge=1)
    """Of one token."""
    s3_public_endpoint: str | None = None
    """Address of the object storage as clients see it: then artefacts are fetched there, by presigned addresses."""

    @field_validator("sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return () if value == "none" else tuple(part.strip() for part in value.split(",") if part.strip())

    def check(self) -> None:
        """Whether it may listen where it is told to.

        Raises:
            UserError: it would speak without TLS beyond this machine, or the certificate is not good.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UserError("VHB_API_TLS_CERT and VHB_API_TLS_KEY belong together: name both, or none.")
        for name, file in (("CERT", self.tls_cert), ("KEY", self.tls_key)):
            if file is not None and not file.is_file():
                raise UserError(f"VHB_API_TLS_{name}: there is no file {file}.")
        if self.tls_cert is not None and self.tls_key is not None:
            _check_certificate(self.tls_cert, self.tls_key)
        if self.tls_cert is None and not self.trusted_network and not _is_loopback(self.host):
            raise UserError(
                f"VHB_API_HOST: {self.host} is reached from other machines, and tokens would travel in the clear. Name "
                "VHB_API_TLS_CERT and VHB_API_TLS_KEY, listen on 127.0.0.1, or set VHB_API_TRUSTED_NETWORK=true where "
                "something else ends TLS."
            )


def _check_certificate(cert: Path, key: Path) -> None:
    try:
        # Without a password: else it would be asked for at the terminal, for ever.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"VHB_API_TLS_CERT, VHB_API_TLS_KEY: {cert} and {key} are no certificate with its key ({reason}): PEM "
            "files are needed, the key without a password."
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
