"""What the installing container is handed: uv, what to install, wheels; copied in, so that no file system is shared."""

import io
import json
import os
import ssl
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import uv

from vhb_shared.environments.base import EnvironmentSpec
from vhb_shared.environments.docker.containers import VENV
from vhb_shared.environments.package_index import index_flags, uv_environment
from vhb_shared.environments.uv_output import NETWORK_WORDS

_AUTHORITIES = "authorities.crt"
# Of the agent's variables, what says where packages are; paths and compilers of the host mean nothing inside.
_WANTED = (
    "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY", "UV_NO_INDEX",
    "UV_INSECURE_HOST", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_NO_PROGRESS", "UV_PYTHON_DOWNLOADS",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
)  # fmt: skip


async def variables(offline: bool) -> dict[str, str]:
    """The agent's settings for packages, as far as they mean something in a container."""
    found = await uv_environment(index=not offline)
    wanted = {name: value for name, value in found.items() if name in _WANTED}
    links = [link for link in found.get("UV_FIND_LINKS", "").split(",") if urlsplit(link).scheme in ("http", "https")]
    return wanted | ({"UV_FIND_LINKS": ",".join(links)} if links else {})


@contextmanager
def packed(
    spec: EnvironmentSpec, given: Mapping[str, str], wheels: Path | None, work: str, cache: str
) -> Iterator[IO[bytes]]:
    """A tar archive for the folder `work`, as an open file. From a thread.

    Args:
        spec: Whose packages.
        given: What `variables` returned.
        wheels: Folder with prepared wheels; then nothing else is asked.
        work: Where the archive will be unpacked.
        cache: Where uv keeps what it fetched.
    """
    environ = dict(given) | {"UV_CACHE_DIR": cache, "UV_NO_CONFIG": "1"}
    flags = list(index_flags(environ))
    if wheels is not None:
        flags = ["--no-index", "--offline", "--find-links", f"{work}/wheels"]
    authorities = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(uv.find_uv_bin(), "uv", filter=_anonymous)
            archive.add(Path(__file__).with_name("install_packages.py"), "install_packages.py", filter=_anonymous)
            if authorities and Path(authorities).is_file():
                archive.add(Path(authorities).resolve(), _AUTHORITIES, filter=_anonymous)
                environ["SSL_CERT_FILE"] = f"{work}/{_AUTHORITIES}"
            plan = {
                "variables": environ,
                "flags": flags,
                "venv": VENV if spec.lock else None,
                "packages": list(spec.packages),
                "network_words": list(NETWORK_WORDS),
            }
            _add(archive, "plan.json", json.dumps(plan))
            _add(archive, "requirements.lock", spec.lock)
            for package in spec.local_packages:
                archive.add(package, f"local/{package.name}", filter=_source)
            for wheel in sorted(wheels.glob("*.whl")) if wheels is not None else ():
                archive.add(wheel.resolve(), f"wheels/{wheel.name}", filter=_anonymous)
        file.seek(0)
        yield file


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    archive.addfile(info, io.BytesIO(data))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = (info.mode & 0o777) | 0o444
    return info


def _source(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in info.name.split("/") else _anonymous(info)
