"""Settings of the docker environment."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vhb_shared.settings import settings_error

PREFIX = "VHB_DOCKER_"


class DockerSettings(BaseSettings):
    """From the environment, prefix VHB_DOCKER_."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    host: str | None = None
    """The engine's address, e.g. `unix:///run/user/1000/docker.sock`; None: DOCKER_HOST, else the default socket."""
    network: str = Field("vhb-backends", min_length=1)
    """The bridge network of backends; made when it does not exist."""
    reach: Literal["auto", "published", "network"] = "auto"
    """How the agent reaches a backend: by a port published on 127.0.0.1 (the agent runs on the engine's host), or by
    the container's name in `network` (the agent runs in a container beside it). auto: finds out which."""
    pull: Literal["missing", "always", "never"] = "missing"
    """When images are fetched from a registry."""
    allowed_images: Annotated[tuple[str, ...], NoDecode] = ("*",)
    """Patterns (`*`, `?`) of images that jobs may name, separated by commas; one without a tag allows every tag."""
    allowed_mounts: Annotated[tuple[Path, ...], NoDecode] = (Path("/"),)
    """Folders of the host that jobs may mount (or mount parts of), separated as in PATH."""
    base_image: str = "python:3.12-slim"
    """What backends run on that bring their packages and name no image."""
    package_cache: str = Field("vhb-packages", min_length=1)
    """The volume that keeps fetched wheels."""
    pids: int = Field(4096, ge=16)
    """Processes and threads of a container whose spec sets no bound."""
    timeout_s: float = Field(60, gt=0)
    """How long the engine may take for one answer."""

    @field_validator("allowed_images", mode="before")
    @classmethod
    def _patterns(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_mounts", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        return tuple(part for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @classmethod
    def from_environment(cls) -> Self:
        """Reads them.

        Raises:
            UserError: a variable holds what it should not.
        """
        try:
            return cls()
        except ValidationError as error:
            raise settings_error(error, PREFIX) from error
