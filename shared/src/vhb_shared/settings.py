"""Settings that several processes share, from environment variables `VHB_*`."""

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vhb_shared.errors import UserError

_CONFIG = SettingsConfigDict(env_prefix="VHB_", extra="ignore", frozen=True, env_ignore_empty=True)


class BusCredentials(BaseModel):
    """Content of the file named by VHB_NATS_CREDS."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user: str
    password: SecretStr
    inbox_prefix: str = "_INBOX"
    """Where replies to this user go; the server lets nobody else listen there."""


class BusSettings(BaseSettings):
    """Where the bus is."""

    model_config = _CONFIG

    nats_url: str = "nats://127.0.0.1:4222"
    nats_creds: Path | None = None
    """A JSON file {"user", "password"}."""
    nats_ca: Path | None = None
    """Certificates to trust beside the system's, for `tls://`."""

    def credentials(self) -> BusCredentials | None:
        """Reads the credentials file; None when there is none.

        Raises:
            UserError: it cannot be read or is not what it should be.
        """
        if self.nats_creds is None:
            return None
        try:
            return BusCredentials.model_validate(json.loads(self.nats_creds.read_text(encoding="utf-8")))
        except OSError as error:
            raise UserError(f"VHB_NATS_CREDS: {self.nats_creds} cannot be read ({error.strerror}).") from error
        except ValueError:  # malformed JSON and failed validation; neither may show the content
            raise UserError(
                f'VHB_NATS_CREDS: {self.nats_creds} should hold JSON: {{"user": "...", "password": "..."}}.'
            ) from None


class StoreSettings(BaseSettings):
    """Where object storage is: an S3 server when `s3_endpoint` is given, else a directory."""

    model_config = _CONFIG

    s3_endpoint: str | None = None
    """`http://host:9000` or `https://host`; without a scheme http is meant."""
    s3_bucket: str = "vlmhyperbench"
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_access_key_file: Path | None = None
    """Instead of the key itself: a file that holds it."""
    s3_secret_key_file: Path | None = None
    s3_region: str | None = None
    s3_ca: Path | None = None
    """Certificates to trust instead of the system's, for `https://`."""
    store_dir: Path | None = None
    cache_dir: Path | None = None
    """Local copies of objects; None: a folder in the user's cache directory."""
    cache_gib: float = Field(20, gt=0)
    """What the local copies may take; the least recently used go first."""

    def s3_keys(self) -> tuple[str, str] | None:
        """Access key and secret key, given directly or in files; None when one is missing.

        Raises:
            UserError: a file cannot be read or is empty.
        """
        access = _secret("VHB_S3_ACCESS_KEY_FILE", self.s3_access_key, self.s3_access_key_file)
        secret = _secret("VHB_S3_SECRET_KEY_FILE", self.s3_secret_key, self.s3_secret_key_file)
        return (access, secret) if access and secret else None

    def cache_bytes(self) -> int:
        """`cache_gib` in bytes."""
        return int(self.cache_gib * (1 << 30))

    def cache_directory(self) -> Path:
        """Where local copies of objects go."""
        if self.cache_dir is not None:
            return self.cache_dir
        return _user_cache() / "objects"


SOURCE_KINDS = {
    "hub": "from the hub",
    "s3": "from buckets",
    "web": "from the web",
    "unpacked": "unpacked",
}
"""Folders of `SourceSettings.sources_directory`, and what is in them."""


class SourceSettings(BaseSettings):
    """Data sets that are fetched from elsewhere."""

    model_config = _CONFIG

    sources_dir: Path | None = None
    """Where they are kept; None: a folder in the user's cache directory."""
    source_gib: float = Field(200, gt=0)
    """What one may take; a bigger one is refused."""

    def sources_directory(self) -> Path:
        """Where fetched data sets are kept; may be removed while nothing is read."""
        return self.sources_dir if self.sources_dir is not None else _user_cache() / "sources"

    def source_bytes(self) -> int:
        """`source_gib` in bytes."""
        return int(self.source_gib * (1 << 30))


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlmhyperbench"


def _secret(variable: str, value: SecretStr | None, file: Path | None) -> str | None:
    if value is not None or file is None:
        return value.get_secret_value() if value is not None else None
    try:
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UserError(f"{variable}: {file} cannot be read ({reason}).") from None
    if not found:
        raise UserError(f"{variable}: {file} is empty.")
    return found


class RegistrySettings(BaseSettings):
    """Where registry entries are looked for, beside the built-in ones."""

    model_config = _CONFIG

    registry_dirs: Annotated[tuple[Path, ...], NoDecode] = ()
    """VHB_REGISTRY_DIRS: folders separated as in PATH; later ones override earlier ones."""

    @field_validator("registry_dirs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part for part in value.split(os.pathsep) if part) if isinstance(value, str) else value


class LogSettings(BaseSettings):
    """How much is logged, and how."""

    model_config = _CONFIG

    log_format: Literal["json", "console"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


def settings_error(error: ValidationError, prefix: str = "VHB_") -> UserError:
    """A settings mistake as a sentence that names the variable and shows no value."""
    problems = tuple(
        f"{prefix}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}." for item in error.errors()
    )
    return UserError(problems[0] if len(problems) == 1 else "settings are wrong: " + " ".join(problems), problems)
