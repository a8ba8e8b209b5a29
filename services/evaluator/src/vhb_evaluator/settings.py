"""Settings of the evaluator."""

import os
import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EvaluatorSettings(BaseSettings):
    """From the environment, prefix VHB_EVALUATOR_."""

    model_config = SettingsConfigDict(env_prefix="VHB_EVALUATOR_", extra="ignore", env_ignore_empty=True)

    name: str = Field(default_factory=lambda: f"evaluator-{socket.gethostname()}-{os.getpid()}")
    """Names this evaluator as the owner of the metric processes that it starts."""
    shards_at_once: int = Field(2, ge=1)
    """Shards scored at once by this process."""
    environments: Path = Path(".vhb/environments")
    """Built environments of metrics with packages of their own; may be the agents'."""
    wheels: Path | None = None
    """Folder with prepared wheels; given, metrics' packages come from there only (hosts without a network)."""
    metric_environments: str = "process,docker"
    """Where metrics with packages of their own may run, by commas: `none` refuses them all."""
    metric_memory_gib: float = Field(4, gt=0)
    """Memory of one metric's process, where its entry says nothing."""
    metric_idle_s: float = Field(120, ge=0)
    """How long a metric's process that nobody wants is kept."""
    metric_workers: int = Field(4, ge=1)
    """Processes of metrics kept at once."""

    def places(self) -> tuple[str, ...]:
        """The names of `metric_environments`."""
        names = tuple(name.strip().lower() for name in self.metric_environments.split(","))
        return tuple(name for name in names if name and name != "none")
