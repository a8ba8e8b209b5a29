"""The agent's composition: adapters, environments, sessions. Its subscriptions come and go with backend sessions."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog

from vhb_inference_agent.agent import Agent
from vhb_inference_agent.backends.registry import backend_adapter
from vhb_inference_agent.claims import HeldClaim
from vhb_inference_agent.endpoint import RunningBackend
from vhb_inference_agent.host import HostEnvironments, describe_host
from vhb_inference_agent.identity import identity
from vhb_inference_agent.leftovers import Leftovers
from vhb_inference_agent.lookups import LookupHandlers
from vhb_inference_agent.opened import OpenedBackend
from vhb_inference_agent.placed import Adopted
from vhb_inference_agent.reattach import drop_old_claims, reattach
from vhb_inference_agent.resources.pool import ResourcePool
from vhb_inference_agent.runner.media import ImageEncoder
from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_inference_agent.runner.shard_runner import ShardRunner
from vhb_inference_agent.sessions import BackendSession, OnFailure, Tenancy
from vhb_inference_agent.settings import AgentSettings
from vhb_inference_agent.survivors import Record, Survivor, SurvivorFiles
from vhb_inference_agent.telemetry.devices import NvmlReader
from vhb_inference_agent.telemetry.gauges import Devices
from vhb_inference_agent.telemetry.rows import Names
from vhb_inference_agent.telemetry.session import SessionTelemetry, TelemetryOptions
from vhb_inference_agent.voice import EngineVoice
from vhb_shared.bus.handling import subscribe
from vhb_shared.bus.service import Service
from vhb_shared.contracts import topology
from vhb_shared.contracts.commands import ReuseAnswers
from vhb_shared.contracts.topology import Consumer
from vhb_shared.settings import StoreSettings
from vhb_shared.store.cache import ObjectCache

log = structlog.get_logger(__name__)

CONSUMERS: tuple[Consumer, ...] = (topology.REUSE,)
"""Each backend's durable is made by the scheduler when a run needs that backend."""

LABEL = "vhb.agent"
DEVICE = "vhb.device."
"""How the label of a leased device begins."""


@asynccontextmanager
async def setup(service: Service) -> AsyncIterator[None]:
    """Runs the agent's loop beside the broker."""
    settings = AgentSettings()
    own = await asyncio.to_thread(identity, settings.name, settings.directory)
    environments = HostEnvironments(settings, own)
    stored = StoreSettings()
    cache = ObjectCache(service.store, stored.cache_directory(), stored.cache_bytes())
    images = ImageEncoder(cache)  # one for all backends: an image is encoded once, however many models see it
    known = KnownAnswers(service.store, cache)
    lookups = LookupHandlers(service.bus, service.store, cache, known, settings.name)

    async def no_lookup(command: ReuseAnswers, error: Exception) -> None:
        await lookups.give_up(command)

    subscribe(service.broker, service.bus, topology.REUSE, ReuseAnswers, lookups.reuse, give_up=no_lookup, workers=2)

    files = SurvivorFiles(settings.directory / "survivors")
    leftovers = Leftovers()

    def open_backend(
        tenancy: Tenancy, on_progress: Callable[[str], None], voice: EngineVoice | None = None
    ) -> OpenedBackend:
        demand, survivor = tenancy.demand, tenancy.survivor
        adapter = backend_adapter(demand.model.backend)
        name = demand.model.environment or adapter.default_environment()
        environment = environments.get(name) if name else None
        survives = environment is not None and environment.capabilities.survives_agent
        return OpenedBackend(
            adapter,
            demand.model,
            environment,
            replica=f"{settings.name}/{tenancy.held.claim.replica}",
            on_progress=on_progress,
            labels={LABEL: own, "vhb.backend": demand.backend_id}
            | {f"{DEVICE}{uuid}": "leased" for uuid in tenancy.lease.devices},
            lease=tenancy.lease,
            devices=[device for device in info.devices if device.uuid in tenancy.lease.devices],
            adopt=Adopted(survivor.spec, survivor.handle, survivor.manifest) if survivor is not None else None,
            keep=Record(files, tenancy.held.claim, demand, tenancy.lease) if survives else None,
            leftovers=leftovers,
            listener=voice,
        )

    def make_runner(backend: RunningBackend, concurrency: int | None) -> ShardRunner:
        return ShardRunner(
            store=service.store,
            copies=cache,
            images=images,
            backend=backend,
            checkpoints=settings.checkpoints or settings.directory / "checkpoints",
            agent_id=settings.name,
            emit=service.bus.live,
            concurrency=concurrency or settings.most_in_flight,
            known=known,
        )

    devices = Devices(NvmlReader())

    def names_of(tenancy: Tenancy) -> Names:
        claim = tenancy.held.claim
        return Names(claim.backend_id, tenancy.demand.model.name, claim.agent_id, claim.replica, claim.session)

    def measure(tenancy: Tenancy) -> SessionTelemetry:
        names, model = names_of(tenancy), tenancy.demand.model
        options = TelemetryOptions(settings.telemetry_s, settings.hang_after_s, model.retries.timeout_s)
        return SessionTelemetry(names, tenancy.lease.devices, devices, service.store, service.bus.live, options)

    def make_session(tenancy: Tenancy, on_failure: OnFailure, on_change: Callable[[], None]) -> BackendSession:
        voice = None
        if tenancy.lease.place != "remote":
            voice = EngineVoice(names_of(tenancy), tenancy.demand.model, service.store, service.bus.live)
        return BackendSession(
            bus=service.bus,
            store=service.store,
            tenancy=tenancy,
            open_backend=partial(open_backend, voice=voice),
            make_runner=make_runner,
            telemetry=measure(tenancy),
            idle_s=settings.idle_s,
            on_failure=on_failure,
            on_change=on_change,
            voice=voice,
        )

    async def take_back(pool: ResourcePool) -> list[tuple[HeldClaim, Survivor]]:
        kept = await reattach(service.bus, files, environments.reachable, pool)
        in_use = {survivor.handle.id for _, survivor in kept}
        # A device that was found is this agent's while it lives: who had it before is dead and cannot have it again, so
        # what is left on it only takes its memory from what is started next. What is declared names no device for sure.
        found = [device.uuid for device in info.devices if device.driver]
        for name in environments.names:
            environment = environments.get(name)
            ended = [*await environment.reap({LABEL: own}, in_use)]
            for uuid in found:
                ended += await environment.reap({f"{DEVICE}{uuid}": "leased"}, in_use)
            if ended:
                log.warning("orphans_ended", environment=name, count=len(ended))
        await drop_old_claims(service.bus, settings.name, {held.key for held, _ in kept})
        return kept

    info = await describe_host(settings, environments)
    pool = ResourcePool(info.devices, slots=info.slots, remote_slots=info.remote_slots, memory_gib=info.memory_gib)
    agent = Agent(
        service.bus,
        info,
        pool,
        make_session=make_session,
        reattach=take_back,
        unusable=environments.unusable,
    )
    if service.logs is not None:
        service.logs.jobs_of = agent.jobs_of
    task = asyncio.create_task(agent.run(), name="agent")
    # An agent whose loop ended serves nobody: end the process and let the supervisor start a fresh one.
    task.add_done_callback(lambda done: None if done.cancelled() else os._exit(70))
    collecting = asyncio.create_task(environments.collect_strays(), name="collect strays")
    async with leftovers:
        try:
            yield
        finally:
            collecting.cancel()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
