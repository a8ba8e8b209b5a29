"""`vhb init`: secrets are made once, are nobody else's business, and are never shown."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest

from vhb.deployment.layout import Layout, host_name
from vhb.deployment.write import Wishes, write_deployment
from vhb_api.db.database import database_url
from vhb_shared.access.roles import ROLES
from vhb_shared.access.storage import KEYS
from vhb_shared.bus.server import find_server
from vhb_shared.errors import UserError


def _files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def _vhb(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vhb", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_everything_secret_is_the_owners_alone(tmp_path: Path) -> None:
    done = _vhb("init", tmp_path)
    assert done.returncode == 0, done.stderr
    layout = Layout(tmp_path)
    for path in (layout.secrets, *layout.secrets.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    known = _files(layout.secrets)
    passwords = [json.loads(known[f"nats/{role}.json"])["password"] for role in ROLES]
    keys = [known[f"s3/{role}.secret_key"] for role in (*KEYS, "root")]
    keys += [known["api/admin.token"], known["api/webhooks.key"], known["postgres/password"]]
    assert len(set(passwords + keys)) == len(passwords + keys)
    assert all(len(secret) >= 40 for secret in passwords + keys)
    shown = done.stdout + done.stderr + (tmp_path / ".env").read_text() + (tmp_path / "client.env").read_text()
    assert not any(secret in shown for secret in passwords + keys)


def test_the_server_knows_hashes_only_and_accepts_the_file(tmp_path: Path) -> None:
    write_deployment(tmp_path, Wishes())
    layout = Layout(tmp_path)
    conf = (layout.nats_server / "nats.conf").read_text()
    for role in ROLES:
        password = json.loads((layout.nats / f"{role}.json").read_text())["password"]
        assert password not in conf
        line = next(line for line in conf.splitlines() if f'"user": "{role}"' in line)
        assert bcrypt.checkpw(password.encode(), json.loads(line.strip().rstrip(","))["password"].encode())
    checked = subprocess.run([find_server(), "-t", "-c", layout.nats_server / "nats.conf"], capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_a_second_run_keeps_what_is_there_and_adds_what_is_missing(tmp_path: Path) -> None:
    write_deployment(tmp_path, Wishes())
    env = tmp_path / ".env"
    env.write_text(env.read_text().replace("VHB_PUBLISH=127.0.0.1", "VHB_PUBLISH=10.0.0.1") + "VHB_NATS_PORT=5222\n")
    layout = Layout(tmp_path)
    (layout.nats / "reporter.json").unlink()
    before = _files(tmp_path)
    done = _vhb("init", tmp_path)
    assert done.returncode == 0 and "kept" in done.stdout
    after = _files(tmp_path)
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {"secrets/nats/reporter.json", "secrets/nats-server/nats.conf"}


def test_force_makes_all_secrets_anew_and_keeps_the_old_variables_aside(tmp_path: Path) -> None:
    write_deployment(tmp_path, Wishes())
    before = _files(tmp_path / "secrets")
    write_deployment(tmp_path, Wishes(force=True))
    after = _files(tmp_path / "secrets")
    same = {path for path in after if after[path] == before[path]}
    assert all(path.endswith((".access_key", ".role", "postgres/password")) for path in same)
    assert (tmp_path / ".env.old").exists()


def test_postgresql_is_a_profile_and_an_address_without_its_password(tmp_path: Path) -> None:
    done = _vhb("init", tmp_path, "--postgres")
    assert done.returncode == 0, done.stderr
    env = (tmp_path / ".env").read_text().splitlines()
    assert "COMPOSE_PROFILES=cpu,postgres" in env
    assert "VHB_API_DATABASE=postgresql://vhb@postgres/vhb" in env
    file = tmp_path / "secrets" / "postgres" / "password"
    url = database_url("postgresql://vhb@postgres/vhb", file)
    assert url.password == file.read_text() and url.host == "postgres"
    assert database_url("postgresql://vhb:own@postgres/vhb", file).password == "own"
    assert database_url("sqlite:////var/lib/vhb/vhb-api.db", file).password is None
    with pytest.raises(UserError, match="VHB_API_DATABASE_PASSWORD_FILE"):
        database_url("postgresql://vhb@postgres/vhb", tmp_path / "nothing")


def test_a_damaged_secret_is_named_and_not_shown(tmp_path: Path) -> None:
    write_deployment(tmp_path, Wishes())
    (tmp_path / "secrets" / "nats" / "agent.json").write_text('{"password": "geheim"')
    done = _vhb("init", tmp_path)
    assert done.returncode == 2
    assert "agent.json" in done.stderr and "geheim" not in done.stderr and "Traceback" not in done.stderr


def test_an_agent_elsewhere_gets_credentials_of_its_own(tmp_path: Path) -> None:
    wishes = Wishes(agent="gpu-2", nats_url="nats://10.0.0.1:4222", s3_endpoint="http://10.0.0.1:9000")
    write_deployment(tmp_path, wishes)
    bundle = Layout(tmp_path).bundle("gpu-2")
    assert {path.name for path in bundle.iterdir()} == {
        "agent.env", "join.sh", "nats.json", "s3.access_key", "s3.secret_key",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in bundle.iterdir())
    user = json.loads((bundle / "nats.json").read_text())
    assert user["user"] == "agent-gpu-2" and user["role"] == "agent"
    assert user["password"] != json.loads((tmp_path / "secrets/nats/agent.json").read_text())["password"]
    assert '"user": "agent-gpu-2"' in (tmp_path / "secrets/nats-server/nats.conf").read_text()
    secret = (bundle / "s3.secret_key").read_text()
    assert secret not in (bundle / "agent.env").read_text() + (bundle / "join.sh").read_text()
    assert subprocess.run(["sh", "-n", bundle / "join.sh"], check=False).returncode == 0


@pytest.mark.parametrize("name", ["Gpu", "a b", "../x", "-a", "scheduler", ""])
def test_a_name_that_fits_no_file_or_user_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="--agent"):
        host_name(name)


def test_an_agent_elsewhere_has_to_know_where_to_connect(tmp_path: Path) -> None:
    done = _vhb("init", tmp_path, "--agent", "gpu-2")
    assert done.returncode == 2 and "--nats-url" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_the_secrets_to_the_user_the_services_run_as(tmp_path: Path) -> None:
    write_deployment(tmp_path, Wishes())
    assert "VHB_UID=10001" in (tmp_path / ".env").read_text()
    assert {path.stat().st_uid for path in (tmp_path / "secrets").rglob("*")} == {10001}
