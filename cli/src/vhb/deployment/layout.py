"""Where the files of a deployment lie."""

import re
from dataclasses import dataclass
from pathlib import Path

from vhb_shared.access.roles import ROLES
from vhb_shared.access.storage import KEYS
from vhb_shared.errors import UserError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Layout:
    """Paths below the folder that `vhb init` is given."""

    root: Path

    @property
    def env(self) -> Path:
        """Variables of compose.yaml."""
        return self.root / ".env"

    @property
    def client(self) -> Path:
        """Variables for `vhb` on this host."""
        return self.root / "client.env"

    @property
    def secrets(self) -> Path:
        """Everything secret."""
        return self.root / "secrets"

    @property
    def nats(self) -> Path:
        """Credentials on the bus: <user>.json."""
        return self.secrets / "nats"

    @property
    def nats_server(self) -> Path:
        """What the NATS server sees: its configuration, its certificate."""
        return self.secrets / "nats-server"

    @property
    def authorities(self) -> Path:
        """Certificates that services trust: ca.pem, where there are some."""
        return self.secrets / "ca"

    @property
    def s3(self) -> Path:
        """Keys of object storage: <user>.access_key, <user>.secret_key, and <user>.role for those who have a role."""
        return self.secrets / "s3"

    @property
    def api(self) -> Path:
        """Of the REST interface: admin.token; webhooks.key, which secrets of webhooks are made from."""
        return self.secrets / "api"

    @property
    def postgres(self) -> Path:
        """Of the database server: password."""
        return self.secrets / "postgres"

    @property
    def policies(self) -> Path:
        """Policies of object storage, for servers other than MinIO: <role>.json. Not secret."""
        return self.root / "policies"

    def bundle(self, host: str) -> Path:
        """What an agent on another host needs."""
        return self.root / "agents" / host


def host_name(text: str) -> str:
    """Checks the name of an agent's host.

    Raises:
        UserError: it does not fit.
    """
    if not _NAME.fullmatch(text) or text in ROLES:
        raise UserError(f"--agent {text!r}: a name of small letters, digits and hyphens is needed, for example gpu-2.")
    return text


STORAGE_ROLES = tuple(KEYS)
"""Roles with a key to object storage."""
