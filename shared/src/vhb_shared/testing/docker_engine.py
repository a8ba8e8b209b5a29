"""A real container engine for tests, and a base image made without a registry.

Needs the Debian packages docker.io, iptables and mmdebstrap, and root where no engine runs yet.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ENGINE_READY_S = 60.0
BASE_IMAGE_S = 900.0
_AUTHORITIES = Path("/usr/local/share/ca-certificates")


class NoEngine(Exception):  # noqa: N818 - a condition: the test skips
    """There is no engine and none can be started; the message says what to install."""


@contextlib.contextmanager
def docker_engine(log: Path) -> Iterator[None]:
    """An engine at the default socket (or DOCKER_HOST) as long as the block lasts.

    One that runs already is left running; one that is started here is ended here, by its process id.

    Args:
        log: What a started engine says goes there.

    Raises:
        NoEngine: there is none, and it cannot be started.
    """
    if answers():
        yield
        return
    program = shutil.which("dockerd")
    if program is None or shutil.which("docker") is None or os.geteuid() != 0 or "DOCKER_HOST" in os.environ:
        raise NoEngine("no Docker engine answers; start one, or install docker.io and iptables and be root")
    with log.open("wb") as output:
        process = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + ENGINE_READY_S
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoEngine(f"dockerd does not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers() -> bool:
    """Whether an engine answers."""
    return shutil.which("docker") is not None and not _docker("version", "--format", "{{.Server.Version}}").returncode


@contextlib.contextmanager
def network() -> Iterator[str]:
    """A network as long as the block lasts. What is still in it then is removed with it, as is what an agent of that
    name has made, and the volume of that name."""
    name = f"vhb-test-{secrets.token_hex(4)}"
    made = _docker("network", "create", name)
    if made.returncode:
        raise NoEngine(f"the engine makes no network: {made.stderr.strip()}")
    try:
        yield name
    finally:
        listing = ("ps", "--all", "--quiet", "--filter")
        left = _docker(*listing, f"network={name}").stdout.split()
        left += _docker(*listing, f"label=vhb.environment.agent={name}").stdout.split()
        if left:
            _docker("rm", "--force", "--volumes", *left)
        _docker("network", "rm", name)
        lives = _docker("volume", "ls", "--quiet", "--filter", f"label=vhb.environment.life.of={name}").stdout.split()
        _docker("volume", "rm", name, *lives)
        images = _docker("images", "--quiet", "--filter", f"label=vhb.derived.by={name}").stdout.split()
        if images:
            _docker("rmi", "--force", *images)


def base_image(script: Path) -> str:
    """The name of an image with Debian, Python 3.11, venv and this machine's certificate authorities.

    Made once per content of `script` (deploy/images/base.sh) and of the authorities; the engine keeps it under its
    name, the user's cache folder its files, so that a fresh engine has it in seconds.

    Raises:
        NoEngine: mmdebstrap is missing or fails.
    """
    digest = hashlib.sha256(script.read_bytes())
    for authority in sorted(_AUTHORITIES.glob("*.crt")):
        digest.update(authority.read_bytes())
    key = digest.hexdigest()[:12]
    name = f"vhb-test-base:{key}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlmhyperbench" / "images"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _docker("image", "inspect", name).returncode == 0:
            return name
        tar = cache / f"{key}.tar"
        if not tar.exists() and shutil.which("mmdebstrap") is None:
            raise NoEngine("mmdebstrap, which makes the base image, is missing; install it")
        made = subprocess.run(
            [str(script), name, str(tar)], capture_output=True, text=True, check=False, timeout=BASE_IMAGE_S
        )
        if made.returncode:
            raise NoEngine(f"{script.name} failed: {made.stderr.strip()[-500:]}")
    return name


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
