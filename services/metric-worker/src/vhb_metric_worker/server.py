"""The HTTP side: health, and scores of one batch after the other."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

from vhb_metric_worker.errors import Problem
from vhb_metric_worker.replies import scores

MAX_BODY = 64 << 20
"""Bytes of a request at most."""


class Server(ThreadingHTTPServer):
    """Answers at once whether the metric is there; scores when it is."""

    daemon_threads = True

    def __init__(self, address: "tuple[str, int]") -> None:
        super().__init__(address, _Handler)
        self.metric: Any = None
        self.failed: Optional[Problem] = None
        self.scoring = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 60
    """Seconds a client may be silent while it sends."""

    def do_GET(self) -> None:
        server = self.server
        if self.path != "/health":
            self._say(404, {"error": Problem("bad_request", "no such address").content()})
        elif server.failed is not None:
            self._say(500, {"status": "failed", "error": server.failed.content()})
        elif server.metric is None:
            self._say(503, {"status": "loading"})
        else:
            self._say(200, {"status": "ready"})

    def do_POST(self) -> None:
        try:
            samples = self._samples()
            with self.server.scoring:
                found = scores(self.server.metric, samples)
        except Problem as problem:
            self._say(400 if problem.kind == "bad_request" else 500, {"error": problem.content()})
        else:
            self._say(200, {"scores": found})

    def _samples(self) -> "Any":
        if self.path != "/score" or self.server.metric is None:
            raise Problem("bad_request", "no such address, or the metric is not loaded")
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= MAX_BODY:
            raise Problem("bad_request", f"a body of 0 to {MAX_BODY} bytes with its Content-Length is expected")
        try:
            samples = json.loads(self.rfile.read(size).decode("utf-8"))["samples"]
            rows = {sample["row"] for sample in samples}
        except (ValueError, KeyError, TypeError) as error:
            raise Problem("bad_request", f'the body is not {{"samples": [{{"row": 0, ...}}]}} ({error!r})') from error
        if len(rows) != len(samples):
            raise Problem("bad_request", "two samples have one row")
        return samples

    def _say(self, status: int, content: "dict[str, Any]") -> None:
        body = json.dumps(content).encode("ascii")  # escapes what is no text (lone surrogates)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the log is the metric's."""
