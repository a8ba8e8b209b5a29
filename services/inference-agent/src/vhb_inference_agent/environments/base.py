"""The contract of an environment: where a backend runs, and what can be asked of that place."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import Mount
from vhb_shared.errors import VhbError

Progress = Callable[[str], None]
"""Takes one line for people; called on the event loop, must not block."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Capabilities(_Data):
    """What an environment can do, as data: callers ask this and never the environment's name."""

    survives_agent: bool = False
    """What it started goes on when the agent dies, and `recover` re-attaches to it."""
    installs_packages: bool = False
    """Honours `lock`, `packages` and `local_packages`."""
    runs_images: bool = False
    """Honours `image`."""
    local_files: bool = False
    """Sees the agent's file system; otherwise everything must be in the image or fetched by the command."""
    gpus: bool = False
    """Can hand out exactly the devices leased."""
    asynchronous_start: bool = False
    """`start` returns before the place exists; `address` is None for a while, maybe minutes."""
    costs_money: bool = False
    """Every second between `start` and `stop` is paid for: `stop` must be certain."""


class EnvironmentSettings(_Data):
    """What an agent tells every environment."""

    directory: Path
    """Local and writable; caches and run directories are made below it."""
    agent_id: str
    log_bytes: int = Field(16 << 20, ge=1 << 16)
    """Bound of one backend's log on disk."""


class EnvironmentSpec(_Data):
    """What to run and what it needs. `command` may hold {python}, {host}, {port} and {port_file}, each replaced by
    the environment. A program that chooses its own port gets `{port_file}` and writes the number there."""

    name: str
    """For people: in logs, labels and messages."""
    command: tuple[str, ...] = ()
    """Empty: what the image runs by itself."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables and their values; not for secrets."""
    pass_env: tuple[str, ...] = ()
    """Names of the agent's variables to hand on; their values appear nowhere else."""
    lock: str = ""
    """Requirements with hashes, complete (nothing else is resolved)."""
    packages: tuple[str, ...] = ()
    """Requirements on top of the lock, resolved when the environment is built."""
    local_packages: tuple[Path, ...] = ()
    """Directories of pure Python packages to copy in."""
    image: str | None = None
    """By tag or digest."""
    devices: tuple[str, ...] = ()
    """Devices leased to it, by UUID. None given: it sees none."""
    mounts: tuple[Mount, ...] = ()
    memory_bytes: int | None = Field(None, gt=0)
    """Memory with swap; what uses more is ended as out of memory."""
    cpus: float | None = Field(None, gt=0)
    pids: int | None = Field(None, gt=0)
    shm_bytes: int | None = Field(None, gt=0)
    """Size of /dev/shm, where it has one of its own."""
    read_only_root: bool = False
    """Whether the program bears a root file system it cannot write (it gets a /tmp of its own)."""
    ready_timeout_s: float = Field(120, gt=0)
    labels: dict[str, str] = Field(default_factory=dict)


class EnvironmentHandle(_Data):
    """Names what was started; survives a restart of the agent in a file or a bucket."""

    environment: str
    id: str
    labels: dict[str, str] = Field(default_factory=dict)
    started_at: str
    """UTC, ISO 8601."""
    state: dict[str, str] = Field(default_factory=dict)
    """What only the environment understands."""


class Exit(_Data):
    """How a backend ended."""

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    """The environment knows that memory ran out (a container's OOM event); a guess from the log is not meant."""

    @property
    def words(self) -> str:
        """For a sentence: "exited with code 1"."""
        if self.out_of_memory:
            return "ran out of memory"
        if self.signal is not None:
            return f"was killed by signal {self.signal}"
        return "ended" if self.code is None else f"exited with code {self.code}"


class Stats(_Data):
    """What a backend uses now."""

    memory_bytes: int = 0
    cpu_seconds: float = 0
    processes: int = 0


class EnvironmentFailed(VhbError):  # noqa: N818 - the failure is data
    """The environment could not be made or the program could not be started in it."""

    def __init__(self, failure: Failure, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.log_tail = log_tail


class Environment(ABC):
    """A kind of place. One instance per agent; its methods may be called concurrently for different handles."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def __init__(self, settings: EnvironmentSettings) -> None:
        self.settings = settings

    @abstractmethod
    async def prepare(self, spec: EnvironmentSpec, on_progress: Progress) -> None:
        """Fetches and installs what `spec` needs; at once when it is there already, then without any network.

        Raises:
            EnvironmentFailed: it cannot be had; `failure.retryable` when a later try may work (network, disk full).
        """

    @abstractmethod
    async def start(self, spec: EnvironmentSpec) -> EnvironmentHandle:
        """Starts the command; `prepare` came first. What was started is labelled before it runs.

        Raises:
            EnvironmentFailed: no such program or image, not prepared, no room.
        """

    @abstractmethod
    async def address(self, handle: EnvironmentHandle) -> str | None:
        """`http://host:port` as this agent reaches it, None while it is not known yet. Raises nothing."""

    @abstractmethod
    async def exit_state(self, handle: EnvironmentHandle) -> Exit | None:
        """How it ended, None while it runs. A handle nobody knows has ended. Raises nothing."""

    @abstractmethod
    async def wait_exit(self, handle: EnvironmentHandle) -> Exit:
        """Returns when it has ended, within a second of it. Raises nothing."""

    @abstractmethod
    async def logs(self, handle: EnvironmentHandle, lines: int = 50) -> tuple[str, ...]:
        """The last lines of its output, oldest first, until `stop`; empty for an unknown handle. Raises nothing."""

    @abstractmethod
    async def stats(self, handle: EnvironmentHandle) -> Stats:
        """What it uses now; zeros when it has ended. Raises nothing."""

    @abstractmethod
    async def installed(self, spec: EnvironmentSpec) -> dict[str, str]:
        """What is really installed: package -> version, and `python`; `image` -> digest where images are run.

        Raises:
            EnvironmentFailed: `spec` was not prepared.
        """

    @abstractmethod
    async def stop(self, handle: EnvironmentHandle, grace_s: float = 3.0) -> None:
        """Ends it with everything it started: asked first, then by force after the grace; frees what it held.

        May be called again, and for what has ended. Returns when it is gone.

        Raises:
            EnvironmentFailed: it may still run (only where the place is out of reach); call again.
        """

    @abstractmethod
    async def recover(self, handle: EnvironmentHandle) -> bool:
        """Re-attaches to what a former life of the agent started.

        Returns:
            True when it runs and all methods work on the handle; False when it is gone (then nothing is left of it).
        """

    @abstractmethod
    async def reap(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Ends what carries all these labels and belongs to no agent that still runs.

        Returns:
            The ids of what was ended. Raises nothing.
        """
