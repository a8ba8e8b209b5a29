"""What may be sent where, from environment variables `VHB_API_WEBHOOKS_*`."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vhb_api.webhooks.addresses import Network
from vhb_shared.errors import UserError


class WebhookSettings(BaseSettings):
    """Of one process; several processes on one database are given the same."""

    model_config = SettingsConfigDict(
        env_prefix="VHB_API_WEBHOOKS_", extra="ignore", frozen=True, env_ignore_empty=True
    )

    private: Annotated[bool | tuple[Network, ...], NoDecode] = False
    """Whether receivers may have private addresses: `true`, or the networks they may be in, separated by commas."""
    key_file: Path | None = None
    """A file of 32 random characters at least, which secrets of receivers are made from. None: a file beside the
    database, where that is SQLite."""
    ca: Path | None = None
    """Certificates of authorities that are trusted beside those of the system, PEM."""
    timeout_s: float = Field(15, gt=0, le=60)
    """How long a receiver may take to answer."""

    @field_validator("private", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lower() in ("true", "1", "yes", "false", "0", "no"):
            return value.lower() in ("true", "1", "yes")
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())

    def check(self) -> None:
        """Whether the files are there.

        Raises:
            UserError: one is not.
        """
        for name, file in (("KEY_FILE", self.key_file), ("CA", self.ca)):
            if file is not None and not file.is_file():
                raise UserError(f"VHB_API_WEBHOOKS_{name}: there is no file {file}.")
