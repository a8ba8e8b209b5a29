"""The contract of an environment: where a backend runs, and what can be asked of that place."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import Mount
from vhb_shared.errors import VhbError

Progress = Callable[[str], None]
"""Takes one line for people; called on the event loop, must not block."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Limit = Literal["memory", "cpus", "pids", "shm"]
"""What can be bounded: `memory_bytes`, `cpus`, `pids`, `shm_bytes` of a spec."""


class Capabilities(_Data):
    """What an environment can do, as data: callers ask this and never the environment's name."""

    survives_agent: bool = False
    """What it started goes on when the agent dies, and `recover` re-attaches to it."""
    installs_packages: bool = False
    """Honours `lock`, `packages` and `local_packages`."""
    runs_images: bool = False
    """Honours `image`."""
    local_files: bool = False
    """Sees the agent's file system as it is, and needs no mounts."""
    mounts: bool = False
    """Honours `mounts`. Without this and `local_files` nothing is shared with the agent's host: everything must be in
    the image or fetched by the command, and what an entry asks beyond that is refused."""
    gpus: bool = False
    """Can hand out exactly the devices leased."""
    asynchronous_start: bool = False
    """`start` returns before the place exists; `address` is None for a while, maybe minutes."""
    costs_money: bool = False
    """Every second between `start` and `stop` is paid for: `stop` must be certain."""
    public: bool = False
    """Its address can be reached by strangers (a pod behind a public proxy): the program must ask for a key."""
    limits: frozenset[Limit] = frozenset()
    """What of a spec's bounds is enforced; the others are ignored."""


class EnvironmentSettings(_Data):
    """What an agent tells every environment."""

    directory: Path
    """Local and writable; caches and run directories are made below it."""
    agent_id: str
    """Names the agent in all its lives, and no other one on this host."""
    wheels: Path | None = None
    """Folder with prepared wheels: packages come from there and from nowhere else (hosts without a network)."""
    log_bytes: int = Field(16 << 20, ge=1 << 16)
    """Bound of one backend's log on disk."""


class ResolvedImage(_Data):
    """What an image's name meant when it was looked up: a tag may be moved, this does not change."""

    id: str
    """As the place knows it: `sha256:...` of its configuration."""
    digest: str | None = None
    """`name@sha256:...`, by which any host can fetch it; None for one that was never in a registry."""


class EnvironmentSpec(_Data):
    """What to run and what it needs. `command` may hold {python}, {host}, {port} and {port_file}, each replaced by
    the environment. A program that can choose its own port gets `{port}` too: not 0, it must take that one; 0, it
    takes one and writes its number to `{port_file}`."""

    name: str
    """For people: in logs, labels and messages."""
    command: tuple[str, ...] = ()
    """The whole command: an image's own entry point is not put before it. Empty: what the image runs by itself."""
    port: int | None = Field(None, ge=1, le=65535)
    """Where an image's own command listens; None: the one port that the image exposes, else 8000."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables and their values; not for secrets."""
    pass_env: tuple[str, ...] = ()
    """Names of the agent's variables to hand on; their values appear nowhere else."""
    lock: str = ""
    """Requirements with hashes, complete (nothing else is resolved); they share nothing with an image's own Python."""
    packages: tuple[str, ...] = ()
    """Requirements on top of the lock, else of the image's own Python; resolved when the environment is built."""
    local_packages: tuple[Path, ...] = ()
    """Directories of pure Python packages to copy in."""
    image: str | None = None
    """By tag or digest."""
    resolved: ResolvedImage | None = None
    """Filled in by `prepare`: what `image` meant then, and means for as long as this spec is used."""
    devices: tuple[str, ...] = ()
    """Devices leased to it, by UUID. None given: it sees none."""
    mounts: tuple[Mount, ...] = ()
    caches: tuple[str, ...] = ()
    """Targets of those mounts that save time only: where no files are shared it runs without them."""
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
    out_of_memory: bool = False
    """A process of it was ended for want of memory since it started, though it still runs."""


class Output(_Data):
    """What a program wrote after a place in its output."""

    text: str = ""
    """The end of it, where it was much."""
    place: str = ""
    """Where to go on; only the environment understands it."""
    left_out: int = 0
    """Lines before `text` that were too much."""


class Installed(_Data):
    """What is really there, as far as the place can tell."""

    packages: dict[str, str] = Field(default_factory=dict)
    """Python packages: name -> version."""
    python: str | None = None
    image: ResolvedImage | None = None
    """What the image's name meant."""
    built_image: str | None = None
    """ID of the image that really runs, where packages were installed on top."""
    runtime: str | None = None
    """What runs it, with its version: `docker 20.10.24`."""


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

    @property
    def images(self) -> tuple[str, ...]:
        """Patterns of images that it runs; see `references.is_allowed`."""
        return ("*",)

    async def problem(self) -> str | None:
        """Why nothing can be run here now, a sentence with the remedy; None when it can. Raises nothing."""
        return None

    @abstractmethod
    async def prepare(self, spec: EnvironmentSpec, on_progress: Progress) -> EnvironmentSpec:
        """Fetches and installs what `spec` needs; at once when it is there already, then without any network.

        Returns:
            The spec to start, now and again later: what a name may change its meaning (an image's tag) is fixed in it.

        Raises:
            EnvironmentFailed: it cannot be had; `failure.retryable` when a later try may work (network, disk full).
        """

    @abstractmethod
    async def start(self, spec: EnvironmentSpec) -> EnvironmentHandle:
        """Starts a spec that `prepare` returned. What was started is labelled before it runs; a start that is
        cancelled or fails leaves nothing behind.

        Raises:
            EnvironmentFailed: no such program or image, not prepared, no room.
        """

    @abstractmethod
    async def address(self, handle: EnvironmentHandle) -> str | None:
        """`http(s)://host:port` as this agent reaches it (where nothing can connect inwards: this end of a tunnel that
        the environment keeps); None while it is not known yet. Raises nothing."""

    @abstractmethod
    async def exit_state(self, handle: EnvironmentHandle) -> Exit | None:
        """How it ended, None while it runs or while the place cannot be asked. A handle nobody knows has ended.
        Raises nothing."""

    @abstractmethod
    async def wait_exit(self, handle: EnvironmentHandle) -> Exit:
        """Returns when it has ended, within a second of it. Raises nothing."""

    @abstractmethod
    async def logs(self, handle: EnvironmentHandle, lines: int = 50) -> tuple[str, ...]:
        """The last lines of its output, oldest first, until `stop`; empty for an unknown handle. Raises nothing."""

    async def output(self, handle: EnvironmentHandle, place: str = "") -> Output:
        """What was written after a place, until `stop`; from the beginning without one. Bounded, cheap enough to be
        asked every second. An environment that cannot tell says that nothing was. Raises nothing."""
        return Output(place=place)

    @abstractmethod
    async def stats(self, handle: EnvironmentHandle) -> Stats:
        """What it uses now; zeros when it has ended. Raises nothing."""

    @abstractmethod
    async def installed(self, spec: EnvironmentSpec) -> Installed:
        """What is really there for a spec that `prepare` returned.

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
    async def reap(self, labels: Mapping[str, str], keep: Collection[str] = ()) -> tuple[str, ...]:
        """Ends what carries all these labels and belongs to no agent that still runs.

        What belongs to another agent stays unless that agent is known to be dead; of this agent's own former life,
        all goes but `keep`.

        Args:
            labels: All of them must fit; none: everything on this host.
            keep: Ids of handles that are in use or will be recovered.

        Returns:
            The ids of what was ended. Raises nothing.
        """

    async def collect(self) -> tuple[str, ...]:
        """Ends what other agents left behind that died a while ago and have not come back to it. Asked now and then
        while the agent runs; what ends with its agent has nothing to do here.

        Returns:
            The ids of what was ended. Raises nothing.
        """
        return ()
