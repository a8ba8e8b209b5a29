"""How the agent reaches its containers: over a published port, or by name where it runs in a container beside them."""

import contextlib
from typing import Any, Literal

from docker.errors import APIError

from vhb_shared.environments.docker.engine import Engine
from vhb_shared.environments.docker.settings import DockerSettings

Reach = Literal["published", "network"]


def ensure_network(engine: Engine, settings: DockerSettings) -> str:
    """The ID of the backends' network, which is made where it is missing. From a thread.

    Names are not unique: two agents that make it at once get two. All take the oldest, and who made another removes it.

    Raises:
        APIError: the engine refuses.
    """
    networks = engine.client().networks
    with engine.making:
        found = _named(engine, settings.network)
        if not found:
            made = networks.create(settings.network, driver="bridge", labels={"vhb.network": "backends"})
            found = _named(engine, settings.network)
            if found[0] != made.id:
                with contextlib.suppress(APIError):
                    made.remove()
        return found[0]


def _named(engine: Engine, name: str) -> list[str]:
    """IDs, the oldest first."""
    listed = engine.client().api.networks(names=[name])
    return [
        each["Id"] for each in sorted(listed, key=lambda each: (each["Created"], each["Id"])) if each["Name"] == name
    ]


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
        network_id = ensure_network(engine, settings)
        with contextlib.suppress(APIError):  # joined meanwhile; if not, the backend's readiness says so
            engine.client().networks.get(network_id).connect(container.id)
    return "network"


def address_of(container: Any, reach: str, port: str) -> str | None:
    """`http://host:port`, None while the engine has not published it or the container has ended."""
    if not container.attrs["State"].get("Running"):
        return None
    if reach == "network":
        return f"http://{container.name}:{port}"
    published = (container.attrs["NetworkSettings"].get("Ports") or {}).get(f"{port}/tcp") or ()
    return next((f"http://127.0.0.1:{each['HostPort']}" for each in published if each.get("HostPort")), None)
