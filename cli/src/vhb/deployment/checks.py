"""What a host has for a deployment: engine, Compose, NVIDIA runtime, secrets. Nothing here is needed for `vhb run`."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from vhb.deployment.layout import Layout

_ASK_S = 5
_COMPOSE = (("docker", "compose", "version", "--short"), ("docker-compose", "version", "--short"))


def checks(directory: Path) -> Iterator[tuple[str, bool, str]]:
    """What was looked at, whether it is there, and what is to be said of it.

    Args:
        directory: where compose.yaml is.
    """
    engine = _engine()
    if isinstance(engine, str):
        yield "container engine", False, f"none answers ({engine}); only deployments and docker environments need one"
    else:
        yield "container engine", True, f"{engine.get('ServerVersion')} on {engine.get('OperatingSystem')}"
        nvidia = "nvidia" in (engine.get("Runtimes") or {}) or any(
            "nvidia" in str(spec) for spec in engine.get("DiscoveredDevices") or ()
        )
        lacking = "the engine has none; GPUs in containers need the NVIDIA container toolkit"
        yield "NVIDIA runtime", nvidia, "registered with the engine" if nvidia else lacking
    compose = _compose()
    yield "compose", compose is not None, compose or "neither `docker compose` nor docker-compose; deployments need one"
    yield _deployment(Layout(directory))


def _engine() -> Mapping[str, Any] | str:
    """What the engine says of itself, or why it does not."""
    try:
        client = docker.from_env(timeout=_ASK_S)
        try:
            info: Mapping[str, Any] = client.info()
            return info
        finally:
            client.close()
    except (DockerException, OSError) as error:
        reason = str(error)
        return "no permission for its socket" if "ermission" in reason else "it does not run, or is not installed"


def _compose() -> str | None:
    for command in _COMPOSE:
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S * 2, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return f"{' '.join(command[:-2])} {done.stdout.strip()}"
    return None


def _deployment(layout: Layout) -> tuple[str, bool, str]:
    if not (layout.root / "compose.yaml").exists():
        return "deployment", False, "no compose.yaml in this directory; deploy/README.md says how to deploy"
    needed = (layout.env, layout.nats_server / "nats.conf", layout.s3 / "root.secret_key")
    missing = [path for path in needed if not path.exists()]
    if missing:
        return "deployment", False, f"{missing[0]} is missing; `vhb init` writes it"
    open_to_all = [path for path in layout.secrets.rglob("*") if path.stat().st_mode & 0o077]
    if open_to_all:
        return "deployment", False, f"{open_to_all[0]} can be read by others; chmod go= it, or rotate it"
    return "deployment", True, f"prepared; its secrets are in {layout.secrets}"
