"""How the agent reaches its containers: over a published port, or by name where it runs in a container beside them."""

import contextlib
from typing import Any, Literal

from docker.errors import APIError, NotFound

from vhb_inference_agent.environments.docker.engine import Engine
from vhb_inference_agent.environments.docker.settings import DockerSettings

Reach = Literal["published", "network"]


def ensure_network(engine: Engine, settings: DockerSettings) -> None:
    """Makes the network of backends where it is missing. From a thread.

    Raises:
        APIError: the engine refuses.
    """
    networks = engine.client().networks
    try:
        networks.get(settings.network)
    except NotFound:
        try:
            networks.create(settings.network, driver="bridge", check_duplicate=True, labels={"vhb.network": "backends"})
        except APIError as error:
            if error.status_code != 409:  # another agent made it just now
                raise


def reach_of(engine: Engine, settings: DockerSettings) -> Reach:
    """Which way it is; joins the network where this process runs in a container. From a thread.

    Raises:
        APIError: the engine refuses.
    """
    if settings.reach == "published":
        return "published"
    container = engine.own_container()
    if container is None:
        return "published" if settings.reach == "auto" else "network"
    if settings.reach == "auto" and container.attrs["HostConfig"].get("NetworkMode") == "host":
        return "published"
    if settings.network not in container.attrs["NetworkSettings"]["Networks"]:
        ensure_network(engine, settings)
        with contextlib.suppress(APIError):  # joined meanwhile; if not, the backend's readiness says so
            engine.client().networks.get(settings.network).connect(container.id)
    return "network"


def address_of(container: Any, reach: str, port: str) -> str | None:
    """`http://host:port`, None while the engine has not published it or the container has ended."""
    if not container.attrs["State"].get("Running"):
        return None
    if reach == "network":
        return f"http://{container.name}:{port}"
    published = (container.attrs["NetworkSettings"].get("Ports") or {}).get(f"{port}/tcp") or ()
    return next((f"http://127.0.0.1:{each['HostPort']}" for each in published if each.get("HostPort")), None)
