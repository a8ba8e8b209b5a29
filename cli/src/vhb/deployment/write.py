"""Writes a deployment: secrets, server configuration, variables."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from vhb.deployment.bundle import write_bundle
from vhb.deployment.layout import STORAGE_ROLES, Layout
from vhb.deployment.nats_conf import nats_conf
from vhb.deployment.secret_files import SecretFiles, service_ids, token
from vhb_shared.access.bus import inbox_prefix
from vhb_shared.access.roles import ROLES, Role
from vhb_shared.access.storage import policy
from vhb_shared.errors import UserError

BUCKET = "vlmhyperbench"
SERVER_CONFIG = "/etc/vhb-nats"
"""Where compose.yaml shows secrets/nats-server to the NATS server."""
_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True)
class Wishes:
    """What the person asked for."""

    force: bool = False
    gpu: bool = False
    docker: bool = False
    """Whether agents may start containers through the engine's socket."""
    offline: bool = False
    """Whether images are built on this host, without a registry."""
    postgres: bool = False
    """Whether the REST interface's database is PostgreSQL."""
    publish: str = "127.0.0.1"
    """Address on which ports are reachable."""
    tls: tuple[Path, Path, Path] | None = None
    """Certificate, key, authority of the NATS server."""
    agent: str | None = None
    """Name of another host whose agent joins."""
    nats_url: str | None = None
    s3_endpoint: str | None = None


def write_deployment(root: Path, wishes: Wishes) -> SecretFiles:
    """Writes what is missing, keeps what is there.

    Raises:
        UserError: a file is not what it should be, or certificates are missing.
    """
    layout = Layout(root)
    root.mkdir(parents=True, exist_ok=True)
    files = SecretFiles(root, force=wishes.force)
    secret = (layout.nats, layout.nats_server, layout.s3, layout.api, layout.postgres, layout.authorities)
    for folder in (layout.secrets, *secret):
        files.folder(folder)
    for role in ROLES:
        _bus_user(files, layout, role, role)
    _storage_key(files, layout, "root", None)
    for role in STORAGE_ROLES:
        _storage_key(files, layout, role, role)
    if wishes.agent:
        _bus_user(files, layout, f"agent-{wishes.agent}", "agent")
        _storage_key(files, layout, f"agent-{wishes.agent}", "agent")
    files.text(layout.api / "admin.token", f"vhb_{token()}")
    files.text(layout.api / "webhooks.key", token())
    # The server takes it when it makes its database, and not again.
    files.text(layout.postgres / "password", token(), for_ever=True)
    if wishes.tls:
        _take_certificates(files, layout, *wishes.tls)
    users = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(layout.nats.glob("*.json"))]
    tls = (layout.nats_server / "tls" / "key.pem").exists()
    files.derived(layout.nats_server / "nats.conf", nats_conf(users, tls=f"{SERVER_CONFIG}/tls" if tls else None))
    layout.policies.mkdir(exist_ok=True)
    for role in STORAGE_ROLES:
        (layout.policies / f"{role}.json").write_text(policy(role, BUCKET) + "\n", encoding="utf-8")
    _variables(files, layout.env, _ENV, _env(layout, wishes, tls=tls))
    _variables(files, layout.client, _CLIENT, _client(layout, wishes, tls=tls))
    if wishes.agent:
        write_bundle(files, layout, wishes.agent, wishes.nats_url, wishes.s3_endpoint)
    return files


def _bus_user(files: SecretFiles, layout: Layout, user: str, role: Role) -> None:
    path = layout.nats / f"{user}.json"
    files.record(path, {"user": user, "password": token(), "inbox_prefix": inbox_prefix(user), "role": role})


def _storage_key(files: SecretFiles, layout: Layout, user: str, role: Role | None) -> None:
    files.text(layout.s3 / f"{user}.access_key", f"vhb-{user}")
    files.text(layout.s3 / f"{user}.secret_key", token())
    if role is not None:
        files.derived(layout.s3 / f"{user}.role", role)


def _take_certificates(files: SecretFiles, layout: Layout, cert: Path, key: Path, authority: Path) -> None:
    folder = files.folder(layout.nats_server / "tls")
    wanted = {folder / "cert.pem": cert, folder / "key.pem": key, layout.authorities / "ca.pem": authority}
    for target, source in wanted.items():
        try:
            files.derived(target, source.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError):
            raise UserError(f"{source} cannot be read as a PEM file.") from None


def _variables(files: SecretFiles, path: Path, about: str, wanted: dict[str, str]) -> None:
    """A file that people change: what it says is kept, what it lacks is added; with --force it is written anew and the
    old one kept beside it."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before and files.force:
        shutil.copyfile(path, path.with_name(path.name + ".old"))
        before = ""
    known = {line.partition("=")[0].strip() for line in before.splitlines()}
    added = "".join(f"{key}={value}\n" for key, value in wanted.items() if key not in known)
    if not added:
        files.kept.append(path)
        return
    files.derived(path, (before or about) + added)
    files.made.append(path)


_ENV = "# Variables of compose.yaml, written by `vhb init`; nothing here is secret. deploy/README.md explains them.\n"
_CLIENT = "# Variables for `vhb` on this host: set -a; . ./client.env; set +a\n"


def _env(layout: Layout, wishes: Wishes, *, tls: bool) -> dict[str, str]:
    uid, gid = service_ids()
    compose = ["compose.yaml"]
    if wishes.offline:
        compose.append("deploy/compose.offline.yaml")
    if wishes.docker:
        compose.append("deploy/compose.docker.yaml")
    variables = {
        "COMPOSE_FILE": ":".join(compose),
        "COMPOSE_PROFILES": ("gpu" if wishes.gpu else "cpu") + (",postgres" if wishes.postgres else ""),
        "VHB_SECRETS": str(layout.secrets.resolve()),
        "VHB_UID": str(uid),
        "VHB_GID": str(gid),
        "VHB_PUBLISH": wishes.publish,
    }
    if wishes.postgres:
        variables["VHB_API_DATABASE"] = "postgresql://vhb@postgres/vhb"
    if wishes.docker:
        variables["VHB_DOCKER_GID"] = str(_socket_group())
    if tls:
        variables["VHB_NATS_CA_INSIDE"] = "/run/vhb/ca/ca.pem"
    return variables


def _socket_group() -> int:
    try:
        return _SOCKET.stat().st_gid
    except OSError as error:
        raise UserError(
            f"{_SOCKET}: {error.strerror}; --docker needs a container engine on this host: start it first."
        ) from None


def _client(layout: Layout, wishes: Wishes, *, tls: bool) -> dict[str, str]:
    nats, s3 = layout.nats.resolve(), layout.s3.resolve()
    host = "127.0.0.1" if wishes.publish == "0.0.0.0" else wishes.publish  # noqa: S104 - where to connect
    scheme = "tls" if tls else "nats"
    variables = {
        "VHB_NATS_URL": f"{scheme}://{host}:4222",
        "VHB_NATS_CREDS": str(nats / "cli.json"),
        "VHB_S3_ENDPOINT": f"http://{host}:9000",
        "VHB_S3_ACCESS_KEY_FILE": str(s3 / "cli.access_key"),
        "VHB_S3_SECRET_KEY_FILE": str(s3 / "cli.secret_key"),
    }
    if tls:
        variables["VHB_NATS_CA"] = str(layout.authorities.resolve() / "ca.pem")
    return variables
