"""What an agent is and has, found once at its start."""

import asyncio
import os
import socket
from datetime import UTC, datetime

import psutil
import structlog

from vhb_inference_agent.backends.registry import backend_adapter, backend_names
from vhb_inference_agent.resources.devices import find_devices
from vhb_inference_agent.settings import AgentSettings
from vhb_shared.contracts.state import AgentInfo
from vhb_shared.environments.base import Environment, EnvironmentSettings
from vhb_shared.environments.registry import environment_names, environment_type
from vhb_shared.errors import UserError

log = structlog.get_logger(__name__)

COLLECT_EVERY_S = 15.0
_ENGINE_WAIT_S = 60


class HostEnvironments:
    """The environments of this host, made when first asked for; a broken plug-in costs itself only."""

    def __init__(self, settings: AgentSettings, identity: str) -> None:
        self._settings = EnvironmentSettings(
            directory=settings.environments,
            agent_id=identity,
            wheels=settings.wheels and settings.wheels.absolute(),
        )
        self._made: dict[str, Environment] = {}
        self._broken: dict[str, str] = {}
        for name in environment_names():
            try:
                self._made[name] = environment_type(name)(self._settings)
            except UserError as error:
                self._broken[name] = str(error)
                log.warning("environment_unusable", environment=name, reason=str(error))

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that can be made."""
        return tuple(self._made)

    def get(self, name: str) -> Environment:
        """One of `names`."""
        return self._made[name]

    @property
    def images(self) -> dict[str, tuple[str, ...]]:
        """Environment -> patterns of images it runs, where not all are."""
        found = {name: environment.images for name, environment in self._made.items()}
        return {name: patterns for name, patterns in found.items() if patterns != ("*",)}

    async def unusable(self) -> dict[str, str]:
        """Where nothing can be run now -> why, a sentence with the remedy."""
        problems = {name: await environment.problem() for name, environment in self._made.items()}
        return self._broken | {name: problem for name, problem in problems.items() if problem is not None}

    async def collect_strays(self) -> None:
        """Ends what dead agents of this host left behind, now and then, until cancelled."""
        while True:
            await asyncio.sleep(COLLECT_EVERY_S)
            for name, environment in tuple(self._made.items()):  # others may be made meanwhile
                if ended := await environment.collect():
                    log.warning("strays_ended", environment=name, count=len(ended))

    async def reachable(self, name: str) -> Environment | None:
        """The environment, waited for a while: after a restart of the host an engine may come up later than we do.
        None for one that is not there."""
        environment = self._made.get(name)
        for _ in range(_ENGINE_WAIT_S if environment is not None else 0):
            assert environment is not None
            if await environment.problem() is None:
                break
            await asyncio.sleep(1)
        return environment


async def describe_host(settings: AgentSettings, environments: HostEnvironments) -> AgentInfo:
    """Everything but its sessions.

    Raises:
        UserError: `VHB_AGENT_DEVICES` names what is not there.
    """
    devices = await asyncio.to_thread(find_devices, settings.devices, settings.environments / "devices")
    memory = settings.memory_gib or round(psutil.virtual_memory().total / 2**30, 2)
    log.info("host", devices=[f"{device.index}: {device.name}" for device in devices], memory_gib=memory)
    return AgentInfo(
        agent_id=settings.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        started_at=datetime.now(UTC).isoformat(),
        backends=_backends(),
        environments=environments.names,
        images=environments.images,
        unusable=await environments.unusable(),
        devices=devices,
        slots=settings.slots,
        remote_slots=settings.remote_slots,
        memory_gib=memory,
        cpus=os.cpu_count(),
    )


def _backends() -> dict[str, tuple[str, ...]]:
    """Adapters that can be loaded; a broken plug-in costs itself only."""
    found: dict[str, tuple[str, ...]] = {}
    for name in backend_names():
        try:
            found[name] = backend_adapter(name).capabilities.environments
        except UserError as error:
            log.warning("backend_unusable", backend=name, reason=str(error))
    return found
