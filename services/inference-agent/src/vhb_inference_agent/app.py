"""The agent's composition: adapters, environments, sessions. Its subscriptions come and go with backend sessions."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from vhb_inference_agent.agent import Agent
from vhb_inference_agent.backends.registry import backend_adapter, backend_names
from vhb_inference_agent.claims import HeldClaim
from vhb_inference_agent.endpoint import RunningBackend
from vhb_inference_agent.environments.base import Environment, EnvironmentSettings
from vhb_inference_agent.environments.registry import environment_names, environment_type
from vhb_inference_agent.opened import OpenedBackend
from vhb_inference_agent.runner.shard_runner import ShardRunner
from vhb_inference_agent.sessions import BackendSession
from vhb_inference_agent.settings import AgentSettings
from vhb_shared.bus.service import Service
from vhb_shared.contracts.state import BackendDemand
from vhb_shared.contracts.topology import Consumer
from vhb_shared.settings import StoreSettings
from vhb_shared.store.cache import ObjectCache

log = structlog.get_logger(__name__)

CONSUMERS: tuple[Consumer, ...] = ()
"""None of its own: each backend's durable is made by the scheduler when a run needs that backend."""

LABEL = "vhb.agent"


class _Environments:
    """The environments of this host, made when first asked for."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = EnvironmentSettings(
            directory=settings.environments,
            agent_id=settings.name,
            wheels=settings.wheels and settings.wheels.absolute(),
        )
        self._made: dict[str, Environment] = {}

    def get(self, name: str) -> Environment:
        if name not in self._made:
            self._made[name] = environment_type(name)(self._settings)
        return self._made[name]


@asynccontextmanager
async def setup(service: Service) -> AsyncIterator[None]:
    """Runs the agent's loop beside the broker."""
    settings = AgentSettings()
    settings.directory.mkdir(parents=True, exist_ok=True)
    environments = _Environments(settings)
    cache = ObjectCache(service.store, StoreSettings().cache_directory())

    def open_backend(demand: BackendDemand, replica: int, on_progress: Callable[[str], None]) -> OpenedBackend:
        adapter = backend_adapter(demand.model.backend)
        name = demand.model.environment or adapter.default_environment()
        return OpenedBackend(
            adapter,
            demand.model,
            environments.get(name) if name else None,
            replica=f"{settings.name}/{replica}",
            on_progress=on_progress,
            labels={LABEL: settings.name, "vhb.backend": demand.backend_id},
        )

    def make_runner(backend: RunningBackend, concurrency: int) -> ShardRunner:
        return ShardRunner(
            store=service.store,
            copies=cache,
            backend=backend,
            checkpoints=settings.checkpoints or settings.directory / "checkpoints",
            agent_id=settings.name,
            emit=service.bus.live,
            concurrency=concurrency,
        )

    def make_session(held: HeldClaim, demand: BackendDemand) -> BackendSession:
        return BackendSession(
            bus=service.bus,
            broker=service.broker,
            store=service.store,
            held=held,
            demand=demand,
            open_backend=open_backend,
            make_runner=make_runner,
            idle_s=settings.idle_s,
        )

    def is_remote(demand: BackendDemand) -> bool:
        return backend_adapter(demand.model.backend).default_environment() is None

    names = tuple([name for name in environment_names() if await environments.get(name).problem() is None])
    for name in names:
        ended = await environments.get(name).reap({LABEL: settings.name})
        if ended:
            log.warning("orphans_ended", environment=name, count=len(ended))
    agent = Agent(
        service.bus,
        settings,
        backends=backend_names(),
        environments=names,
        is_remote=is_remote,
        make_session=make_session,
    )
    task = asyncio.create_task(agent.run(), name="agent")
    # An agent whose loop ended serves nobody: end the process and let the supervisor start a fresh one.
    task.add_done_callback(lambda done: None if done.cancelled() else os._exit(70))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
