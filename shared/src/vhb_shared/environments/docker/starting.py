"""Creates and starts one container, or leaves nothing behind. From threads."""

import contextlib
from collections.abc import Mapping
from typing import Any

from docker.errors import APIError, NotFound

from vhb_shared.environments.base import EnvironmentFailed, EnvironmentSpec
from vhb_shared.environments.docker.containers import program_paths
from vhb_shared.environments.docker.engine import Engine, failed, words
from vhb_shared.environments.docker.network import ensure_network
from vhb_shared.environments.docker.settings import DockerSettings

_PATIENCE_S = 60.0


def start(
    engine: Engine,
    settings: DockerSettings,
    spec: EnvironmentSpec,
    name: str,
    options: Mapping[str, Any],
    image: Mapping[str, Any],
) -> Any:
    """Returns the running container.

    Args:
        engine: Where.
        settings: Of this environment.
        spec: For messages, the program and the devices.
        name: Of the container.
        options: See `containers.options_of`.
        image: Configuration of the image that was asked for.

    Raises:
        EnvironmentFailed: the engine refuses, the program is not in the image, or the devices were not handed out.
        EngineAway: see `Engine.run`.
    """
    if spec.devices and engine.about().startswith("podman"):
        raise failed(
            f"{spec.name} needs GPUs, and this engine is podman, which ignores requests for them; use Docker with the "
            "NVIDIA Container Toolkit."
        )
    try:
        network_id = ensure_network(engine, settings)
        container = engine.client().containers.create(name=name, network=network_id, **options)
    except APIError as error:
        remove(engine, name)
        raise _why(spec, error) from error
    try:
        _check_program(engine, spec, str(container.id), image)
        container.start()
        container.reload()
        _check_devices(spec, container.attrs)
    except APIError as error:
        remove(engine, name)
        raise _why(spec, error) from error
    except BaseException:
        remove(engine, name)
        raise
    return container


def remove(engine: Engine, name: str) -> None:
    """Removes a container with its volumes; harmless where there is none."""
    with contextlib.suppress(NotFound):
        engine.client().containers.get(name).remove(force=True, v=True)


def _check_program(engine: Engine, spec: EnvironmentSpec, container_id: str, image: Mapping[str, Any]) -> None:
    """The engine's init hides that a program is missing: it would start, and end with 127."""
    paths = program_paths(spec, image)
    api = engine.client().api
    url = f"{api.base_url}/v{api.api_version}/containers/{container_id}/archive"
    if paths and all(api.head(url, params={"path": path}, timeout=_PATIENCE_S).status_code == 404 for path in paths):
        program = spec.command[0].replace("{python}", paths[0].rpartition("/")[2])
        raise failed(f"{spec.name} needs the program {program!r}, which its image lacks; name another image.")


def _check_devices(spec: EnvironmentSpec, attributes: Mapping[str, Any]) -> None:
    """An engine that does not know device requests starts the container all the same, without devices."""
    requests = attributes["HostConfig"].get("DeviceRequests") or ()
    given = {device for request in requests for device in request.get("DeviceIDs") or ()}
    if given != set(spec.devices):
        raise failed(f"{spec.name} needs GPUs, and this engine handed out none; use Docker 20.10 or newer.")


def _why(spec: EnvironmentSpec, error: APIError) -> EnvironmentFailed:
    said = words(error)
    lowered = said.lower()
    if "could not select device driver" in lowered or "nvidia-container-cli" in lowered or "cdi device" in lowered:
        return failed(
            f"{spec.name} needs GPUs, and the engine cannot hand out {', '.join(spec.devices)} ({said}): install the "
            "NVIDIA Container Toolkit and set the engine up for it (`nvidia-ctk runtime configure`), then restart it."
        )
    if "no such image" in lowered:
        return failed(f"The image of {spec.name} is gone from the engine; start again.", retryable=True)
    if "bind source path does not exist" in lowered:
        return failed(f"{spec.name}: a folder to mount does not exist on the agent's host ({said}); make it.")
    if "executable file not found" in lowered or "no such file or directory" in lowered:
        return failed(f"{spec.name}: its program is not in the image ({said}); name another image or `command`.")
    passing = "no space left" in lowered or "port is already allocated" in lowered or error.status_code == 409
    return failed(f"{spec.name} could not be started: {said}.", retryable=passing)
