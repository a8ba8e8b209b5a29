"""A stand-in for the Hugging Face hub: data sets in folders, served as its API and its file server do."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """Serves `root/<org>/<name>/` as the only commit of each data set. Can be told to ask for a token, or to fail."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.token: str | None = None
        """Whoever does not send it is refused."""
        self.fail_on: str | None = None
        """A file that is cut off in the middle, with a status of 200."""
        self.broken = False
        """Every answer is a 503."""
        self.asked: list[str] = []

    @property
    def endpoint(self) -> str:
        """http://127.0.0.1:port"""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running_hub(root: Path) -> Iterator[Hub]:
    """A hub on a free port of the loopback."""
    with Hub(root) as hub:
        thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at `asked`."""

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """API and files."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.server.asked.append(f"{self.command} {path}")
        if self.server.broken:
            return self._send(503, b"", body)
        if self.server.token is not None and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self._send(401, b"", body, {"X-Error-Code": "RepoNotFound"})
        parts = path.split("/")
        if parts[:2] == ["api", "datasets"] and len(parts) >= 4:
            what, revision = parts[4:6] if len(parts) >= 6 else ("revision", "main")
            return self._api("/".join(parts[2:4]), what, revision, body)
        if parts[0] == "datasets" and len(parts) > 5:
            return self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]), body)
        return self._send(404, b"", body, {"X-Error-Code": "RepoNotFound"})

    def _api(self, repo: str, what: str, revision: str, body: bool) -> None:
        folder = self.server.root / repo
        if not folder.is_dir():
            return self._send(404, b"", body, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", _commit(folder)):
            return self._send(404, b"", body, {"X-Error-Code": "RevisionNotFound"})
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        named = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
        answer: object = {
            "_id": "0", "id": repo, "sha": _commit(folder), "siblings": [{"rfilename": name} for name, _ in named],
        }  # fmt: skip
        if what == "tree":
            answer = [{"type": "file", "path": name, "size": size, "oid": name} for name, size in named]
        return self._send(200, json.dumps(answer).encode(), body, {"Content-Type": "application/json"})

    def _file(self, repo: str, revision: str, name: str, body: bool) -> None:
        folder = self.server.root / repo
        path = folder / name
        if not path.is_file():
            return self._send(404, b"", body, {"X-Error-Code": "EntryNotFound"})
        data = path.read_bytes()
        etag = hashlib.sha256(data).hexdigest()
        cut = len(data) // 2 if name == self.server.fail_on else None
        return self._send(200, data, body, {"ETag": f'"{etag}"', "X-Repo-Commit": _commit(folder)}, cut)

    def _send(
        self, status: int, data: bytes, body: bool, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[:cut])
            if cut is not None:
                self.close_connection = True


def _commit(folder: Path) -> str:
    """A name of 40 digits for what is in the folder now."""
    digest = hashlib.sha1(usedforsecurity=False)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
