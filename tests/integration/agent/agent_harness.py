"""Agents with sessions that only say what they were given."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from vhb_inference_agent.agent import Agent
from vhb_inference_agent.claims import HeldClaim
from vhb_inference_agent.resources.pool import ResourcePool
from vhb_inference_agent.sessions import OnFailure, Tenancy
from vhb_inference_agent.survivors import Survivor
from vhb_shared.bus.client import Bus
from vhb_shared.contracts.job import ModelEntry, Resources
from vhb_shared.contracts.state import AgentInfo, BackendDemand, Device, SessionInfo


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Waits; generous, for a loaded machine."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


def entry(name: str, gpus: int = 0, replicas: int = 1) -> ModelEntry:
    return ModelEntry(name=name, backend="engine", resources=Resources(gpus=gpus), replicas=replicas)


async def want(bus: Bus, model: ModelEntry, *runs: str, since: float = 1.0) -> None:
    """Puts a backend in demand; without runs nobody wants it any more."""
    demand = BackendDemand(
        backend_id=model.name, model=model, job_ids=("j",), run_ids=runs, since=dict.fromkeys(runs, since)
    )
    await bus.backends.put(model.name, demand)


class SaidSession:
    """Holds what it was given until it is told to end."""

    def __init__(self, tenancy: Tenancy, on_failure: OnFailure, say: Callable[[], None]):
        self.tenancy = tenancy
        self.model = tenancy.demand.model
        self.on_failure = on_failure
        self.say = say
        self.unwanted_since: float | None = None
        self.wanted_since = tenancy.demand.wanted_since
        self.leaving = False
        self.over = asyncio.Event()
        claim = tenancy.held.claim
        self.info = SessionInfo(
            backend_id=claim.backend_id,
            replica=claim.replica,
            model=self.model.name,
            state="serving",
            since=time.time(),
            devices=tenancy.lease.devices,
            place=tenancy.lease.place,
        )

    def make_room(self) -> None:
        self.leaving = True
        self.over.set()

    async def run(self) -> None:
        try:
            await self.over.wait()
        finally:
            await self.tenancy.held.release()


class Host:
    """An agent and the sessions it began."""

    def __init__(self, bus: Bus, name: str, gpus: int = 0, slots: int = 1) -> None:
        self.sessions: list[SaidSession] = []
        devices = tuple(Device(uuid=f"{name}-{index}", index=index, name="x", memory_gib=24) for index in range(gpus))
        self.pool = ResourcePool(devices, slots=slots, remote_slots=4)
        info = AgentInfo(
            agent_id=name,
            host=name,
            pid=1,
            started_at="",
            backends={"engine": ("process",)},
            environments=("process",),
            devices=devices,
            slots=slots,
            remote_slots=4,
        )

        def make(tenancy: Tenancy, failed: OnFailure, say: Callable[[], None]) -> SaidSession:
            self.sessions.append(SaidSession(tenancy, failed, say))
            return self.sessions[-1]

        async def nothing_survived(pool: ResourcePool) -> list[tuple[HeldClaim, Survivor]]:
            return []

        async def all_well() -> dict[str, str]:
            return {}

        make_session: Callable[..., SaidSession] = make
        reattach: Callable[..., Awaitable[list[tuple[HeldClaim, Survivor]]]] = nothing_survived
        self.ahead = 0.0
        """Seconds by which its clock is ahead."""
        self.agent = Agent(
            bus,
            info,
            self.pool,
            make_session=make_session,  # type: ignore[arg-type]
            reattach=reattach,
            unusable=all_well,
            clock=lambda: time.time() + self.ahead,
        )

    async def __aenter__(self) -> "Host":
        self._task = asyncio.create_task(self.agent.run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def holds(self) -> list[str]:
        """Backends it holds now."""
        return sorted(session.backend_id for session in self.agent.info.sessions)

    def session(self, name: str) -> SaidSession:
        """Its latest session of a backend."""
        return next(session for session in reversed(self.sessions) if session.model.name == name)
