"""Whose container it is: written into a label before it runs, so that another agent knows whether the owner lives."""

import contextlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from vhb_shared.environments.docker.engine import Engine
from vhb_shared.environments.warden import start_time

LABEL_ENVIRONMENT = "vhb.environment"
LABEL_ID = "vhb.environment.id"
LABEL_OWNER = "vhb.environment.owner"
LABEL_AGENT = "vhb.environment.agent"
BUILDING = "build-"
"""How the id of a container begins that installs packages."""


def own_mark(engine: Engine) -> str:
    """Names this process for as long as the engine's host is up. In a container its process numbers say nothing to
    others, so the container is named. From a thread."""
    container = engine.own_container()
    if container is not None:
        return f"container {container.id} {container.attrs['State']['StartedAt']}"
    pid = os.getpid()
    return f"process {_namespace()} {pid} {start_time(pid)}"


def is_dead(mark: str, engine: Engine) -> bool:
    """Whether the owner is known to have ended; False when it lives or cannot be seen from here. From a thread."""
    match mark.split(" "):
        case ["container", container_id, started]:
            try:
                state: dict[str, Any] = engine.client().containers.get(container_id).attrs["State"]
            except NotFound:
                return True
            except APIError:
                return False
            return not state["Running"] or state["StartedAt"] != started
        case ["process", namespace, pid, started] if pid.isdigit() and started != "None":
            here = _namespace()
            if namespace.split("/")[0] != here.split("/")[0]:
                return True  # the host was started again since
            return namespace == here and start_time(int(pid)) != started
    return False


def reap(engine: Engine, labels: Mapping[str, str], keep: Collection[str], agent_id: str) -> tuple[str, ...]:
    """Removes containers; see `Environment.reap`. From a thread.

    Args:
        engine: Whose containers.
        labels: All must fit.
        keep: Ids of handles.
        agent_id: Of the agent that asks: what its former lives left is its own.

    Raises:
        APIError: the engine refuses.
        EngineAway: see `Engine.run`.
    """
    wanted = {**labels, LABEL_ENVIRONMENT: "docker"}
    filters: dict[str, str | list[str] | bool] = {"label": [f"{key}={value}" for key, value in wanted.items()]}
    mark = own_mark(engine)
    ended: list[str] = []
    for container in engine.client().containers.list(all=True, filters=filters, ignore_removed=True):
        handle_id, owner = container.labels.get(LABEL_ID, ""), container.labels.get(LABEL_OWNER, "")
        if handle_id in keep:
            continue
        ours = container.labels.get(LABEL_AGENT) == agent_id
        if ours and owner == mark and handle_id.startswith(BUILDING):
            continue  # this process is about to finish it
        if ours or is_dead(owner, engine):
            with contextlib.suppress(APIError):
                container.remove(force=True, v=True)
                ended.append(handle_id)
    return tuple(ended)


def _namespace() -> str:
    """`<boot>/<process namespace>`: where a process number means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    except OSError:
        return "?/?"
