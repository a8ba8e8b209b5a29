"""The service's own settings, from environment variables `VHB_API_*`."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Where the database is."""

    model_config = SettingsConfigDict(env_prefix="VHB_API_", extra="ignore", frozen=True, env_ignore_empty=True)

    database: str = Field("sqlite:///vhb-api.db", repr=False)
    """`sqlite:///FILE`, by default a file in the working directory; or `postgresql://USER:PASSWORD@HOST/NAME`."""
