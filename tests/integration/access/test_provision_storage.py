"""`python -m vhb_shared.store.provision`: bucket, policies and users over the protocol of MinIO's admin API.

The server is a stand-in that decrypts what it is sent as MinIO does; MinIO itself cannot be had here.
"""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from minio.crypto import decrypt
from urllib3 import HTTPResponse

from vhb.deployment.layout import Layout
from vhb.deployment.write import Wishes, write_deployment
from vhb_shared.access.storage import KEYS, policy


class StandIn(ThreadingHTTPServer):
    """Keeps what it was told."""

    def __init__(self, root_secret: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root_secret = root_secret
        self.buckets: set[str] = set()
        self.policies: dict[str, object] = {}
        self.users: dict[str, str] = {}
        self.attached: dict[str, str] = {}
        self.refuse = False


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer(200 if urlsplit(self.path).path.strip("/") in self.server.buckets else 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        server = self.server
        if not parts.path.startswith("/minio/admin/v3/"):
            server.buckets.add(parts.path.strip("/"))
        elif server.refuse:
            self._answer(403)
            return
        elif parts.path.endswith("/add-canned-policy"):
            server.policies[query["name"]] = json.loads(body)
        elif parts.path.endswith("/add-user"):
            plain = decrypt(HTTPResponse(io.BytesIO(body), preload_content=False), server.root_secret)
            server.users[query["accessKey"]] = json.loads(plain)["secretKey"]
        elif parts.path.endswith("/set-user-or-group-policy"):
            server.attached[query["userOrGroup"]] = query["policyName"]
        else:
            self._answer(404)
            return
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    write_deployment(
        tmp_path / "d", Wishes(agent="gpu-2", nats_url="nats://10.0.0.1:4222", s3_endpoint="http://10.0.0.1:9000")
    )
    return Layout(tmp_path / "d")


@pytest.fixture
def server(layout: Layout) -> Iterator[StandIn]:
    stand_in = StandIn((layout.s3 / "root.secret_key").read_text())
    thread = threading.Thread(target=stand_in.serve_forever)
    thread.start()
    yield stand_in
    stand_in.shutdown()
    thread.join()
    stand_in.server_close()


def _provision(layout: Layout, server: StandIn, **more: str) -> "subprocess.CompletedProcess[str]":
    env = {
        "VHB_S3_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "VHB_S3_ACCESS_KEY_FILE": str(layout.s3 / "root.access_key"),
        "VHB_S3_SECRET_KEY_FILE": str(layout.s3 / "root.secret_key"),
        "VHB_S3_KEYS_DIR": str(layout.s3),
        "VHB_S3_PATIENCE_S": "5",
    }
    command = [sys.executable, "-m", "vhb_shared.store.provision"]
    return subprocess.run(command, env=env | more, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow  # each secret is encrypted with a key that takes its time to derive
def test_users_get_their_roles_policy_and_no_secret_is_said(layout: Layout, server: StandIn) -> None:
    for _ in range(2):  # again changes nothing
        done = _provision(layout, server)
        assert done.returncode == 0, done.stderr
        assert server.buckets == {"vlmhyperbench"}
        assert server.policies == {f"vhb-{role}": json.loads(policy(role, "vlmhyperbench")) for role in KEYS}
        wanted = {f"vhb-{role}": f"vhb-{role}" for role in KEYS} | {"vhb-agent-gpu-2": "vhb-agent"}
        assert server.attached == wanted
        secrets = {user: (layout.s3 / f"{user.removeprefix('vhb-')}.secret_key").read_text() for user in wanted}
        assert server.users == secrets
        assert not any(secret in done.stdout + done.stderr for secret in secrets.values())


def test_where_users_are_made_elsewhere_only_the_bucket_is_made(layout: Layout, server: StandIn) -> None:
    assert _provision(layout, server, VHB_S3_PROVISION="bucket").returncode == 0
    assert server.buckets == {"vlmhyperbench"} and not server.users and not server.policies


def test_a_server_without_that_api_is_explained(layout: Layout, server: StandIn) -> None:
    server.refuse = True
    done = _provision(layout, server)
    assert done.returncode == 2 and "VHB_S3_PROVISION=bucket" in done.stderr and "Traceback" not in done.stderr


def test_a_server_that_is_not_there_is_waited_for_and_named(layout: Layout, server: StandIn) -> None:
    done = _provision(layout, server, VHB_S3_ENDPOINT="http://127.0.0.1:1", VHB_S3_PATIENCE_S="0.5")
    assert done.returncode == 3 and "does not answer" in done.stderr and "Traceback" not in done.stderr


def test_without_init_there_are_no_keys(tmp_path: Path, layout: Layout, server: StandIn) -> None:
    done = _provision(layout, server, VHB_S3_KEYS_DIR=str(tmp_path))
    assert done.returncode == 2 and "vhb init" in done.stderr
