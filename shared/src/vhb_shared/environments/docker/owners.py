"""Whose container it is: written into a label before it runs, so that another agent knows whether the owner lives."""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from vhb_shared.environments.docker import lives
from vhb_shared.environments.docker.engine import Engine
from vhb_shared.environments.warden import start_time

LABEL_ENVIRONMENT = "vhb.environment"
LABEL_ID = "vhb.environment.id"
LABEL_OWNER = "vhb.environment.owner"
LABEL_AGENT = "vhb.environment.agent"
BUILDING = "build-"
"""How the id of a container begins that installs packages."""
GRACE_S = 60.0
"""How long what a dead agent left is spared by others: its supervisor may start it again, to go on with it. Well above
the time in which that happens, and in which its claim lapses."""


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
    mark = own_mark(engine)
    living = _Living(engine)
    ended: list[str] = []
    for container in _containers(engine, labels):
        handle_id, owner = container.labels.get(LABEL_ID, ""), container.labels.get(LABEL_OWNER, "")
        if handle_id in keep:
            continue
        ours = container.labels.get(LABEL_AGENT) == agent_id
        if ours and owner == mark and handle_id.startswith(BUILDING):
            continue  # this process is about to finish it
        if (ours or not living.has(container)) and _removed(container):
            ended.append(handle_id)
    return tuple(ended)


class Strays:
    """What other agents left behind: seen without an owner for a while, it is ended. One for each agent; from a thread.

    Args:
        engine: Whose containers.
        agent_id: Of the agent that looks: its own containers are its own affair.
        labels: All must fit.
        clock: Seconds.
    """

    def __init__(
        self,
        engine: Engine,
        agent_id: str,
        labels: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._agent_id, self._labels, self._clock = engine, agent_id, labels or {}, clock
        self._since: dict[str, float] = {}

    def collect(self) -> tuple[str, ...]:
        """Looks once; see `Environment.collect`.

        Raises:
            APIError: the engine refuses.
            EngineAway: see `Engine.run`.
        """
        living, now = _Living(self._engine), self._clock()
        others = [
            container
            for container in _containers(self._engine, self._labels)
            if container.labels.get(LABEL_AGENT) != self._agent_id
        ]
        strays = {str(container.id): container for container in others if not living.has(container)}
        self._since = {key: self._since.get(key, now) for key in strays}
        ended = [
            container.labels.get(LABEL_ID, "")
            for key, container in strays.items()
            if now - self._since[key] >= GRACE_S and _removed(container)
        ]
        with_containers = {container.labels.get(LABEL_AGENT, "") for container in others} | {self._agent_id}
        for agent_id in living.dead_agents() - with_containers:
            lives.forget(self._engine, agent_id)
        return tuple(ended)


class _Living:
    """Which owners live, as one look at the engine says."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._said = lives.said(engine)
        self._dead: dict[str, bool] = {}

    def has(self, container: Any) -> bool:
        """Whether it has an owner: the process that started it, or a later life of the same agent."""
        said = self._said.get(container.labels.get(LABEL_AGENT, ""))
        return not self._is_dead(container.labels.get(LABEL_OWNER, "")) or (
            said is not None and not self._is_dead(said)
        )

    def dead_agents(self) -> set[str]:
        """Of those that once went on with what a former life left."""
        return {agent_id for agent_id, mark in self._said.items() if self._is_dead(mark)}

    def _is_dead(self, mark: str) -> bool:
        if mark not in self._dead:
            self._dead[mark] = is_dead(mark, self._engine)
        return self._dead[mark]


def _containers(engine: Engine, labels: Mapping[str, str]) -> list[Any]:
    wanted = {**labels, LABEL_ENVIRONMENT: "docker"}
    filters: dict[str, str | list[str] | bool] = {"label": [f"{key}={value}" for key, value in wanted.items()]}
    return list(engine.client().containers.list(all=True, filters=filters, ignore_removed=True))


def _removed(container: Any) -> bool:
    with contextlib.suppress(APIError):
        container.remove(force=True, v=True)
        return True
    return False


def _namespace() -> str:
    """`<boot>/<process namespace>`: where a process number means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    except OSError:
        return "?/?"
