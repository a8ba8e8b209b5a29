"""One file on a web server."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.sources.base import Fetched, Fetcher, Fetching
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store.local import COPY_CHUNK, disk_errors, part_path, whole_file
from vhb_shared.store.s3_errors import reason
from vhb_shared.store.s3_http import pool_manager

MAX_REDIRECTS = 5
CONNECT_S = 10.0
READ_S = 60.0
_REDIRECTS = (301, 302, 303, 307, 308)
_SHA256 = re.compile(r"^sha256=([0-9a-f]{64})$")
_UNSAFE = re.compile(r"[^\w.\-]+")


class WebFetcher(Fetcher):
    """`https://host/file.parquet`, with `#sha256=<hex>` at its end checked. What is here already is asked for by its
    ETag or date only; with a checksum not at all. Redirects lead to https only (from http to http too).
    """

    schemes = ("https", "http")
    describe = "https://host/file.parquet"

    def _fetch(self, how: DatasetSource, fetching: Fetching) -> Fetched:
        url, wanted, shown = _address(how.source)
        place = self._settings.sources_directory() / "web" / hashlib.sha256(url.encode()).hexdigest()[:32]
        with disk_errors(f"writing to {place}"):
            known = _known(place)
            if wanted is None or known is None or known["sha256"] != wanted:
                known = _download(url, place, known, wanted, shown, fetching)
        path = place / known["sha256"][:16] / known["name"]
        return Fetched(path, how.model_copy(update={"source": shown}), known["name"])


def _address(source: str) -> tuple[str, str | None, str]:
    """The address to ask, the checksum, and the address to show."""
    try:
        parts = urlsplit(source)
    except ValueError:  # brackets of an IPv6 address that do not close
        parts = urlsplit("")
    if not parts.hostname:
        raise UserError(f'data set "{source}": expected an address like https://host/file.parquet')
    if parts.username or parts.password:
        host = parts.netloc.rpartition("@")[2]
        raise UserError(f'data set "{parts.scheme}://***@{host}{parts.path}": leave name and password out of addresses')
    shown = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    wanted = None
    if parts.fragment:
        found = _SHA256.match(parts.fragment)
        if found is None:
            raise UserError(f'data set "{shown}": expected #sha256= and 64 hexadecimal digits at its end')
        wanted = found[1]
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, "")), wanted, shown


def _known(place: Path) -> dict[str, Any] | None:
    """What is said of the file that is here; None when there is none, or not as it was written."""
    try:
        known = json.loads((place / "current.json").read_text(encoding="utf-8"))
        whole = (place / known["sha256"][:16] / known["name"]).stat().st_size == known["size"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if whole else None


def _download(
    url: str, place: Path, known: dict[str, Any] | None, wanted: str | None, shown: str, fetching: Fetching
) -> dict[str, Any]:
    place.mkdir(parents=True, exist_ok=True)
    headers = {"Accept-Encoding": "identity"}
    if known is not None and wanted is None:
        headers |= {"If-None-Match": known["etag"]} if known.get("etag") else {}
        headers |= {"If-Modified-Since": known["modified"]} if known.get("modified") else {}
    with pool_manager(1, CONNECT_S, READ_S) as pool:
        try:
            response = _get(pool, url, headers, shown)
            if response.status == 304 and known is not None:
                return known
            return _saved(response, url, place, wanted, shown, fetching)
        except HTTPError as error:
            raise Unavailable(f'data set "{shown}": the server does not answer ({reason(error)}).') from error


def _get(pool: urllib3.PoolManager, url: str, headers: dict[str, str], shown: str) -> urllib3.BaseHTTPResponse:
    for _ in range(MAX_REDIRECTS + 1):
        try:
            response = pool.request("GET", url, headers=headers, preload_content=False, redirect=False)
        except LocationParseError as error:
            raise UserError(f'data set "{shown}": is not an address ({error})') from error
        if response.status not in _REDIRECTS:
            return response
        response.release_conn()
        target = urlsplit(urljoin(url, response.headers.get("Location", "")))
        if target.scheme != "https" and (target.scheme, urlsplit(url).scheme) != ("http", "http"):
            raise UserError(f'data set "{shown}": the server leads to {target.scheme}://, which is not followed')
        url = urlunsplit((*target[:4], ""))
    raise UserError(f'data set "{shown}": the server redirects more than {MAX_REDIRECTS} times')


def _saved(
    response: urllib3.BaseHTTPResponse, url: str, place: Path, wanted: str | None, shown: str, fetching: Fetching
) -> dict[str, Any]:
    if response.status != 200:
        _refuse(response.status, shown)
    length = response.headers.get("Content-Length", "")
    if length.isdigit():
        fetching.expect(int(length))
    digest = hashlib.sha256()
    temporary = part_path(place / "file")
    name = _UNSAFE.sub("_", unquote(urlsplit(url).path).rsplit("/", 1)[-1]).lstrip(".")[-120:] or "data"
    name = _UNSAFE.sub("_", unquote(urlsplit(shown).path).rsplit("/", 1)[-1]).lstrip(".")[-120:] or name
    try:
        with temporary.open("xb") as file:
            while chunk := response.read1(COPY_CHUNK):  # what there is: a slow server can be left
                fetching.came(len(chunk))
                digest.update(chunk)
                file.write(chunk)
        if length.isdigit() and fetching.done != int(length):
            raise Unavailable(f'data set "{shown}": the server sent {fetching.done} of {length} bytes.')
        sha256 = digest.hexdigest()
        if wanted not in (None, sha256):
            raise UserError(f'data set "{shown}": its sha256 is {sha256}, expected {wanted}')
        final = place / sha256[:16] / name
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    known = {
        "url": shown,
        "name": name,
        "sha256": sha256,
        "size": fetching.done,
        "etag": response.headers.get("ETag"),
        "modified": response.headers.get("Last-Modified"),
    }
    with whole_file(part_path(place / "current.json"), place / "current.json", sync=False) as file:
        file.write(json.dumps(known).encode())
    return known


def _refuse(status: int, shown: str) -> None:
    if status in (401, 403):
        raise UserError(f'data set "{shown}": the server refuses access (status {status})')
    if status in (404, 410):
        raise UserError(f'data set "{shown}": there is no such file (status {status}); check the address')
    if status == 429 or status >= 500:
        raise Unavailable(f'data set "{shown}": the server cannot answer now (status {status}).')
    raise UserError(f'data set "{shown}": the server answers with status {status}')
