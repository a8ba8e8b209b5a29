"""The stand-in endpoint in a process of its own, so that it neither shares nor blocks the caller's event loop."""

import json
import subprocess
import sys
import urllib.request
from typing import Any

from vhb_shared.testing.server_process import ServerProcess


class EndpointProcess(ServerProcess):
    """Starts, asks, changes and kills a stand-in.

    Args:
        flags: of `python -m vhb_shared.testing.endpoint`, e.g. "--delay-ms=100".
    """

    def __init__(self, *flags: str) -> None:
        super().__init__()
        self._flags = flags

    @property
    def base_url(self) -> str:
        """Ends in /v1."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """See `ServerProcess.start`."""
        command = [sys.executable, "-m", "vhb_shared.testing.endpoint", f"--port={self.port}", *self._flags]
        output = self._launch(command, stdout=subprocess.PIPE).stdout
        assert output is not None
        line = output.readline().decode()
        if not line.startswith("ready "):
            self.kill()
            raise RuntimeError("the stand-in endpoint did not start")
        self.port = int(line.rpartition(":")[2].partition("/")[0])

    def stats(self) -> dict[str, Any]:
        """What it was asked so far (`endpoint.Stats`)."""
        return self._request("/stats")

    def control(self, **change: Any) -> dict[str, Any]:
        """Changes how it behaves (fields of `Behaviour`, rules as mappings; `reset=True` forgets counts)."""
        return self._request("/control", json.dumps(change).encode())

    def _request(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=body, headers={"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as response:
            content: dict[str, Any] = json.load(response)
            return content
