"""Settings of the inference agent."""

import os
import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AgentSettings(BaseSettings):
    """From the environment, prefix VHB_AGENT_."""

    model_config = SettingsConfigDict(env_prefix="VHB_AGENT_", extra="ignore", env_ignore_empty=True)

    name: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    """Names the agent in events and its directory on disk; stable over restarts where given."""
    directory: Path = Path(".vhb/agent")
    """Checkpoints and logs of this agent."""
    checkpoints: Path | None = None
    """Answers of shards in flight; shared by all agents of a host. None: a folder in `directory`."""
    environments: Path = Path(".vhb/environments")
    """Built environments; shared by all agents of a host."""
    wheels: Path | None = None
    """Folder with prepared wheels; given, backends' packages come from there only (hosts without a network)."""
    weights: Path | None = None
    """The host's cache of model weights from the hub, shared by all engines. None: HF_HOME, else where the hub's own
    tools keep it. Where the agent runs in a container, the host's folder is mounted there under the same path."""
    devices: str = "all"
    """Which devices are this agent's; see `resources/devices.py`."""
    memory_gib: float | None = Field(None, gt=0)
    """Memory of the host for backends; None: all that it has."""
    slots: int = Field(1, ge=0)
    """Backends without a device that run on this host at once."""
    remote_slots: int = Field(16, ge=1)
    """Backends elsewhere (remote APIs) fed by this agent at once."""
    most_in_flight: int = Field(256, ge=1)
    """Requests in flight to one backend at most, where neither the model entry nor the backend gives a cap. How many
    there are is found by measuring."""
    idle_s: float = Field(60, ge=0)
    """How long a backend nobody wants is kept warm, unless another one needs its place."""
    telemetry_s: float = Field(1.0, gt=0, le=60)
    """How often devices, engines and requests in flight are looked at."""
    hang_after_s: float = Field(20, ge=0)
    """Silence after which a backend that does nothing and fails its health check is started again; 0: never."""

    def weights_directory(self) -> Path:
        """See `weights`; absolute."""
        home = self.weights or os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
        return Path(home).absolute()
