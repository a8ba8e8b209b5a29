"""A registry of container images for tests: serves what the engine has saved, moves tags, and can be told to fail."""

import hashlib
import http.server
import json
import re
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class ImageRegistry:
    """The reading half of the registry protocol (v2) on a free port of the loopback, where engines need no TLS."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._tags: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []
        """Paths of requests so far."""
        self.failing: int | None = None
        """An HTTP status that everything is answered with."""

    @property
    def address(self) -> str:
        """host:port, to be put before an image's name."""
        return f"127.0.0.1:{self._server.server_port}"

    def publish(self, image: str, name: str, tag: str) -> str:
        """Serves a local image as `<address>/<name>:<tag>`; a tag that exists is moved. Returns its digest."""
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder) / "image.tar"
            subprocess.run(["docker", "save", "--output", str(saved), image], check=True)
            with tarfile.open(saved) as archive:

                def member(path: str) -> bytes:
                    file = archive.extractfile(path)
                    assert file is not None
                    return file.read()

                about = json.loads(member("manifest.json"))[0]
                config = self._described(member(about["Config"]), _CONFIG)
                layers = [self._described(member(path), _LAYER) for path in about["Layers"]]
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
        digest = self._store(json.dumps(manifest).encode())
        self._tags[(name, tag)] = digest
        return digest

    def __enter__(self) -> Self:
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """One request."""
        self.asked.append(request.path)
        body, kind, status = b"{}", "application/json", 200
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", request.path)
        if self.failing is not None:
            status = self.failing
        elif found:
            digest = self._tags.get((found[1], found[3]), found[3])
            kind = _MANIFEST if found[2] == "manifests" else "application/octet-stream"
            if digest in self._blobs:
                body = self._blobs[digest]
            else:
                status, kind = 404, "application/json"
                body = json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode()
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if kind == _MANIFEST:
            request.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    def _described(self, data: bytes, kind: str) -> dict[str, Any]:
        return {"mediaType": kind, "size": len(data), "digest": self._store(data)}

    def _store(self, data: bytes) -> str:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self._blobs[digest] = data
        return digest
