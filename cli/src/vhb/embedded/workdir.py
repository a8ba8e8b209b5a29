"""The working directory of an embedded stack: what lies where in it, and who may use it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from vhb_shared.errors import UserError


class Address(BaseModel):
    """How to reach a running stack; written when it is ready, removed when it stops."""

    pid: int
    nats_url: str
    nats_creds: Path
    store_dir: Path | None
    """None when objects are on the S3 server named by VHB_S3_*."""


class Workdir:
    """Paths below one working directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def nats(self) -> Path:
        """JetStream's data, the server's configuration and credentials."""
        return self.root / "nats"

    @property
    def objects(self) -> Path:
        """Object storage."""
        return self.root / "objects"

    @property
    def logs(self) -> Path:
        """One file per child process."""
        return self.root / "logs"

    @property
    def address_file(self) -> Path:
        """Where the running stack says how to reach it."""
        return self.root / "address.json"

    def agent(self, name: str) -> Path:
        """An agent's own files."""
        return self.root / "agents" / name

    @property
    def api_database(self) -> str:
        """Address of the management plane's database."""
        return f"sqlite:///{self.root / 'api' / 'vhb.db'}"

    @property
    def api_files(self) -> Path:
        """Uploads of the management plane."""
        return self.root / "api" / "files"

    @property
    def api_address(self) -> Path:
        """Holds the address of the management plane while it listens."""
        return self.root / "api" / "address"

    @property
    def checkpoints(self) -> Path:
        """Answers of shards in flight; all agents of the stack find what another one left."""
        return self.root / "checkpoints"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the directory for one stack; freed by the kernel when the process dies.

        Raises:
            UserError: another stack runs in it, or it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            file = (self.root / "lock").open("a+")
        except OSError as error:
            raise UserError(f"The working directory {self.root} cannot be used: {error.strerror}.") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(
                    f"Another vhb works in {self.root}; wait for it, stop it, or give another --workdir."
                ) from None
            yield

    def write_address(self, address: Address) -> None:
        """Says how to reach the stack, whole or not at all."""
        temporary = self.address_file.with_suffix(".tmp")
        temporary.write_text(address.model_dump_json())
        temporary.replace(self.address_file)

    def running(self) -> Address | None:
        """The address of a stack that runs in this directory; None when there is none."""
        try:
            address = Address.model_validate_json(self.address_file.read_text())
        except (OSError, ValidationError, json.JSONDecodeError):
            return None
        try:
            with (self.root / "lock").open("a+") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return address
        return None  # nobody holds the lock: the file was left by a stack that was killed


def user_cache() -> Path:
    """The user's cache folder for what several working directories share (built environments)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vlmhyperbench"
