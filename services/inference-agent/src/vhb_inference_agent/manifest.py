"""What a backend really runs: the part of environment.json that the agent knows when the backend answers."""

import datetime
import platform
import socket
from typing import Any

from vhb_inference_agent.backends.base import BackendAdapter
from vhb_inference_agent.environments.base import Environment, EnvironmentSpec
from vhb_shared.contracts.backend_id import normalise_base_url
from vhb_shared.contracts.job import ModelEntry


async def describe(
    adapter: BackendAdapter, model: ModelEntry, environment: Environment | None, spec: EnvironmentSpec | None
) -> dict[str, Any]:
    """Plain JSON values; no key, no variable's value.

    Args:
        adapter: What turned the entry into a backend.
        model: The resolved entry.
        environment: Where it runs; None for an existing server.
        spec: What was started there; None for an existing server.

    Raises:
        EnvironmentFailed: what was prepared is gone.
    """
    about: dict[str, Any] = {
        "backend": adapter.name,
        "backend_id": adapter.backend_id(model),
        "model": model.served_model,
        "revision": model.revision,
        "engine_args": model.engine_args,
        "image": model.image,
        "base_url": None if model.base_url is None else normalise_base_url(model.base_url),
        "environment": None,
        "started_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "agent": {
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
    }
    if environment is None or spec is None:
        return about
    installed = await environment.installed(spec)
    return about | {
        "environment": environment.name,
        "command": list(spec.command),
        "packages_asked": list(spec.packages),
        "python": installed.python,
        "packages": installed.packages,
        "image_id": None if installed.image is None else installed.image.id,
        "image_digest": None if installed.image is None else installed.image.digest,
        "built_image_id": installed.built_image,
        "runtime": installed.runtime,
    }
