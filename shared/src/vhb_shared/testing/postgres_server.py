"""A real PostgreSQL server for tests: its own directory, reached through a socket in it."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVER_USER = "nobody"
"""PostgreSQL refuses to run as root: then it runs as this user."""


class NoPostgres(Exception):  # noqa: N818
    """There is none on this machine."""


def _program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = next((str(folder / name) for folder in folders if (folder / name).exists()), None) or shutil.which(name)
    if found is None:
        raise NoPostgres(f"{name} is not installed (Debian's package postgresql)")
    return found


@contextmanager
def postgres_server(directory: Path) -> Iterator[str]:
    """A started server without a password, gone afterwards. Yields the address of its database `postgres`.

    Args:
        directory: short, as a socket's path is bounded; made, and left to the caller to remove.

    Raises:
        NoPostgres: it is not installed.
    """
    server, init = _program("postgres"), _program("initdb")
    data = directory / "data"
    user: str | None = None
    directory.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        user = _SERVER_USER
        record = pwd.getpwnam(user)
        os.chown(directory, record.pw_uid, record.pw_gid)
    initialise = [init, "-D", str(data), "-U", "vhb", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    made = subprocess.run(initialise, user=user, cwd=directory, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr}")
    command = [server, "-D", str(data), "-k", str(directory), "-c", "listen_addresses=", "-c", "fsync=off"]
    with (directory / "postgres.log").open("wb") as log:
        process = subprocess.Popen(command, user=user, cwd=directory, stdout=log, stderr=log)
    try:
        give_up = time.monotonic() + 30
        while not list(directory.glob(".s.PGSQL.*[0-9]")):
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"postgres did not start: {(directory / 'postgres.log').read_text()}")
            time.sleep(0.05)
        yield f"postgresql://vhb@/postgres?host={directory}"
    finally:
        process.terminate()
        process.wait()
