"""What a backend really runs: the part of environment.json that the agent knows when the backend answers."""

import asyncio
import datetime
import platform
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from vhb_inference_agent.backends.base import BackendAdapter
from vhb_inference_agent.endpoint import Endpoint
from vhb_inference_agent.settings import AgentSettings
from vhb_inference_agent.software import software
from vhb_inference_agent.weights import describe_weights
from vhb_shared.contracts.backend_id import normalise_base_url
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import Device
from vhb_shared.environments.base import Environment, EnvironmentSpec, Installed


async def describe(
    adapter: BackendAdapter,
    model: ModelEntry,
    environment: Environment | None,
    spec: EnvironmentSpec | None,
    endpoint: Endpoint | None = None,
    devices: Sequence[Device] = (),
) -> dict[str, Any]:
    """Plain JSON values; no key, and of variables that are passed on only the names.

    Args:
        adapter: What turned the entry into a backend.
        model: The resolved entry.
        environment: Where it runs; None for an existing server.
        spec: What was started there; None for an existing server.
        endpoint: Where it answers; it is asked for its version.
        devices: Leased to it.

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
            **await asyncio.to_thread(software),
        },
    }
    if environment is None or spec is None:
        return about
    installed = await environment.installed(spec)
    return about | {
        "environment": environment.name,
        "image": spec.image,
        "command": list(spec.command),
        "env": {name: spec.env[name] for name in sorted(spec.env)},
        "pass_env": list(spec.pass_env),
        "engine_version": await _engine_version(adapter, endpoint, installed),
        "weights": await _weights(adapter, model),
        "devices": [device.model_dump() for device in devices],
        "packages_asked": list(spec.packages),
        "python": installed.python,
        "packages": installed.packages,
        "image_id": None if installed.image is None else installed.image.id,
        "image_digest": None if installed.image is None else installed.image.digest,
        "built_image_id": installed.built_image,
        "runtime": installed.runtime,
    }


def for_run(manifest: Mapping[str, Any], run: RunSpec) -> dict[str, Any]:
    """environment.json of one run: what answered, and the data that was asked about."""
    dataset = {"name": run.dataset.name, "digest": run.dataset.digest, "samples": run.dataset.samples}
    return {**manifest, "run": run.name, "dataset": dataset}


async def _engine_version(adapter: BackendAdapter, endpoint: Endpoint | None, installed: Installed) -> str | None:
    """What the engine says of itself, else the version of the package of its name."""
    said = None if endpoint is None else await adapter.engine_version(endpoint)
    return said or installed.packages.get(adapter.name)


async def _weights(adapter: BackendAdapter, model: ModelEntry) -> dict[str, Any] | None:
    if not adapter.loads_weights:
        return None
    settings = AgentSettings()
    known = settings.environments / "weights.json"
    return await asyncio.to_thread(describe_weights, model, settings.weights_directory() / "hub", known)
