"""What a container is given: its command, variables, devices, bounds and rights. Asks no engine."""

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.types import DeviceRequest, LogConfig, Mount

from vhb_shared.environments.base import EnvironmentSpec
from vhb_shared.environments.docker.engine import failed
from vhb_shared.environments.docker.settings import DockerSettings

PORT = 8000
"""Where commands of ours listen inside; images with a command of their own say where."""
PORT_FILE = "/tmp/vhb-port"  # noqa: S108 - inside the container
VENV = "/opt/vhb"
"""The virtual environment of a spec's lock, in images built here."""
HOME = "/tmp"  # noqa: S108 - inside the container
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOG_FILES = 2
_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd", "/run/podman")


def python_of(spec: EnvironmentSpec) -> str:
    """The interpreter that `{python}` stands for."""
    return f"{VENV}/bin/python" if spec.lock else "python3"


def command_of(spec: EnvironmentSpec, image: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Entry point and arguments.

    Raises:
        EnvironmentFailed: neither the spec nor the image says what to run.
    """
    if not spec.command:
        entry, arguments = list(image.get("Entrypoint") or ()), list(image.get("Cmd") or ())
        if not entry and not arguments:
            raise failed(f"The image {spec.image} says not what to run; give the entry a `command`.")
        return (entry, arguments) if entry else (arguments[:1], arguments[1:])
    values = {"{python}": python_of(spec), "{host}": "0.0.0.0", "{port_file}": PORT_FILE, "{port}": str(PORT)}  # noqa: S104
    words = []
    for word in spec.command:
        for placeholder, value in values.items():
            word = word.replace(placeholder, value)
        words.append(word)
    return words[:1], words[1:]


def port_of(spec: EnvironmentSpec, image: Mapping[str, Any]) -> int:
    """Where it listens inside."""
    if spec.port is not None:
        return spec.port
    exposed = [key.split("/")[0] for key in image.get("ExposedPorts") or () if not key.endswith("/udp")]
    return int(exposed[0]) if not spec.command and len(exposed) == 1 else PORT


def variables_of(spec: EnvironmentSpec, environ: Mapping[str, str]) -> dict[str, str]:
    """Its variables beside the image's own. Devices cannot be had by asking for them in `env`."""
    given = {"PYTHONUNBUFFERED": "1"}
    if spec.read_only_root:
        given["HOME"] = HOME
    given |= {name: environ[name] for name in spec.pass_env if name in environ}
    given |= spec.env
    # Images of NVIDIA ask for all devices; where their runtime is the default one they would get them.
    given["NVIDIA_VISIBLE_DEVICES"] = ",".join(spec.devices) or "void"
    return given


def mounts_of(spec: EnvironmentSpec, settings: DockerSettings) -> list[Mount]:
    """What it sees of the host.

    Raises:
        EnvironmentFailed: a folder that may not be mounted.
    """
    mounts = []
    for mount in spec.mounts:
        source = Path(os.path.normpath(mount.source))
        where = f"{spec.name}: the mount {mount.source}"
        if not source.is_absolute():
            raise failed(f"{where} must be an absolute path of the agent's host.")
        # Where the agent shares the engine's file system it also sees what a link means.
        both = {source, Path(os.path.realpath(source))}
        if not all(any(each.is_relative_to(folder) for folder in settings.allowed_mounts) for each in both):
            folders = os.pathsep.join(map(str, settings.allowed_mounts)) or "none"
            raise failed(f"{where} is not allowed on this agent (VHB_DOCKER_ALLOWED_MOUNTS: {folders}); add it there.")
        if any(Path(each).is_relative_to(path) or path.is_relative_to(each) for each in _SOCKETS for path in both):
            raise failed(f"{where} would hand it the container engine, and with it the host; mount a smaller folder.")
        mounts.append(Mount(mount.target, str(source), type="bind", read_only=mount.read_only))
    return mounts


def options_of(
    spec: EnvironmentSpec,
    *,
    image_id: str,
    image: Mapping[str, Any],
    settings: DockerSettings,
    labels: Mapping[str, str],
    publish: bool,
    log_bytes: int,
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """Arguments of the SDK's `containers.create`, but for the name and the network.

    Args:
        spec: What to run.
        image_id: What really runs: the image, or the one built on it.
        image: Configuration of the image that was asked for: one built here would start the installer.
        settings: Of this environment.
        labels: All of them.
        publish: Whether its port gets one on 127.0.0.1.
        log_bytes: Bound of its log.
        environ: The agent's variables.

    Raises:
        EnvironmentFailed: nothing to run, or a mount that may not be.
    """
    entry, arguments = command_of(spec, image)
    options: dict[str, Any] = {
        "image": image_id,
        "entrypoint": entry,
        "command": arguments,
        "user": image.get("User") or None,
        "environment": variables_of(spec, environ),
        "labels": dict(labels),
        "mounts": mounts_of(spec, settings),
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": spec.pids or settings.pids,
        "log_config": LogConfig(
            type=LogConfig.types.JSON,
            config={"max-size": str(max(1 << 12, log_bytes // _LOG_FILES)), "max-file": str(_LOG_FILES)},
        ),
    }
    if publish:
        options["ports"] = {f"{port_of(spec, image)}/tcp": ("127.0.0.1", None)}
    if any(not mount.read_only for mount in spec.mounts):
        # Folders of the agent's user: without it the image's root could not write there.
        options["cap_add"] = ["DAC_OVERRIDE"]
    if spec.memory_bytes is not None:
        options |= {"mem_limit": spec.memory_bytes, "memswap_limit": spec.memory_bytes}
    if spec.cpus is not None:
        options["nano_cpus"] = int(spec.cpus * 1e9)
    if spec.shm_bytes is not None:
        options["shm_size"] = spec.shm_bytes
    if spec.read_only_root:
        options |= {"read_only": True, "tmpfs": {"/tmp": "mode=1777"}}  # noqa: S108 - inside the container
    if spec.devices:
        options["device_requests"] = [DeviceRequest(device_ids=list(spec.devices), capabilities=[["gpu"]])]
    return options


def program_paths(spec: EnvironmentSpec, image: Mapping[str, Any]) -> list[str]:
    """Where the command's program may lie inside; empty where only the engine can know."""
    if not spec.command:
        return []
    program = command_of(spec, image)[0][0]
    if "/" in program:
        return [posixpath.join(image.get("WorkingDir") or "/", program)]
    own = dict(word.partition("=")[::2] for word in image.get("Env") or ())
    path = spec.env.get("PATH") or own.get("PATH") or _PATH
    return [posixpath.join(folder, program) for folder in path.split(":") if folder]
