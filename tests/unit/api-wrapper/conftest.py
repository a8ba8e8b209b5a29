"""A real server process with the echo adapter; the tests talk to it with the real client."""

import base64
import http.client
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="unused", max_retries=0)

    def request(self, method: str, path: str, body: bytes | Iterator[bytes] | None = None) -> tuple[int, Any]:
        """Status and parsed JSON of a request without the client's help."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 20
        while self.request("GET", "/health")[0] != 200:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Starts a server with further arguments; `wait=False` returns it while it is loading."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, wait: bool = True, python_path: Path | None = None) -> Running:
        folder = tmp_path_factory.mktemp("server")
        port_file = folder / "port"
        command = [sys.executable, "-m", "vhb_api_wrapper", "--adapter", "echo", "--served-model-name", "echo-1"]
        env = {**os.environ, "PYTHONPATH": str(python_path)} if python_path else None
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*command, "--port-file", str(port_file), *arguments], stderr=log, env=env)
        processes.append(process)
        deadline = time.monotonic() + 20
        while not port_file.exists():
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)
        server = Running(process, int(port_file.read_text()), folder / "log")
        if wait:
            server.wait_ready()
        return server

    yield run
    for process in processes:
        process.kill()
        process.wait(10)


@pytest.fixture
def png() -> Callable[..., bytes]:
    def encode(size: tuple[int, int] = (8, 6), colour: str = "red") -> bytes:
        encoded = io.BytesIO()
        Image.new("RGB", size, colour).save(encoded, "PNG")
        return encoded.getvalue()

    return encode


@pytest.fixture
def data_url() -> Callable[..., str]:
    def url(data: bytes, media_type: str = "image/png") -> str:
        return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

    return url
