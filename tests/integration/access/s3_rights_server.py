"""An S3 server that enforces policies: moto's, with users, keys and the policies of our roles.

MinIO's own server cannot be had from package registries; what is tested here are the policy documents and our client's
requests under them.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from vhb_shared.access.storage import KEYS, policy
from vhb_shared.store.s3 import S3Store

BUCKET = "vlmhyperbench"


class RightsServer:
    """Where it is, and the keys of each role."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.keys: dict[str, tuple[str, str]] = {}

    def store(self, role: str) -> S3Store:
        """Object storage as that role sees it."""
        return S3Store(self.endpoint, BUCKET, *self.keys[role], secure=False)


def _client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://{endpoint}",
        region_name="us-east-1",
        aws_access_key_id="setup",
        aws_secret_access_key="setup",
    )


@contextmanager
def rights_server() -> Iterator[RightsServer]:
    """Started, with a bucket and a user for each role; from then on it refuses what no policy allows."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    setup = 3 * len(KEYS) + 1
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(setup)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = RightsServer(f"127.0.0.1:{port}")
        _wait(process, server.endpoint)
        _client("s3", server.endpoint).create_bucket(Bucket=BUCKET)
        iam = _client("iam", server.endpoint)
        for role in KEYS:
            iam.create_user(UserName=role)
            iam.put_user_policy(UserName=role, PolicyName=role, PolicyDocument=policy(role, BUCKET))
            key = iam.create_access_key(UserName=role)["AccessKey"]
            server.keys[role] = (key["AccessKeyId"], key["SecretAccessKey"])
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", endpoint: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{endpoint}/moto-api/data.json", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("moto's server does not start")
