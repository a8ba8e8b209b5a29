"""A session from claim to end on a real server, with a backend that only says what happens to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from agent_harness import entry, until, want

from vhb_inference_agent.claims import try_claim
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_inference_agent.sessions import BackendSession, Tenancy
from vhb_shared.bus.client import Bus
from vhb_shared.bus.provision import ensure_consumer, provision
from vhb_shared.contracts import topology
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.state import AgentInfo, BackendDemand, Claim, SessionInfo
from vhb_shared.placement.room import Lease
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.nats_server import provisioned_bus, running_server

MODEL = entry("model", 1)


class Place:
    """Where the backend runs, and what the test does to it."""

    def __init__(self) -> None:
        self.running = 0
        self.starts = 0
        self.ready = asyncio.Event()
        self.ready.set()
        self.failure: Failure | None = None
        self.say: Callable[[str], None] = lambda _: None
        self.endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", model="model")
        self.replica = "a/0"

    @asynccontextmanager
    async def open(self, tenancy: Tenancy, on_progress: Callable[[str], None]) -> AsyncIterator["Place"]:
        self.running += 1
        self.starts += 1
        self.say = on_progress
        try:
            await self.ready.wait()
            if self.failure is not None:
                raise BackendLost(self.failure)
            yield self
        finally:
            self.running -= 1

    async def after_connection_error(self) -> bool:
        return False

    def manifest(self) -> dict[str, Any]:
        return {}

    async def wait_lost(self) -> BackendLost:
        await asyncio.Event().wait()
        raise AssertionError


class NoRunner:
    """Is never hungry."""

    slots = 8
    shards_taken = 0

    async def until_taken(self, count: int) -> None:
        await asyncio.Event().wait()

    async def until_hungry(self) -> None:
        await asyncio.Event().wait()

    async def kept(self) -> set[tuple[str, int]]:
        return set()

    async def __aenter__(self) -> "NoRunner":
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None


class Unmeasured:
    """Telemetry that measures nothing."""

    async def before_start(self, *, running: bool) -> None:
        return None

    @asynccontextmanager
    async def serve(self, backend: object, runner: object) -> AsyncIterator[None]:
        yield


class World:
    def __init__(self, bus: Bus, store: DirectoryStore) -> None:
        self.bus, self.store = bus, store
        self.place = Place()
        self.failures: list[Failure] = []
        self.served_elsewhere: bool | None = None
        self.again_in: float | None = None

    async def session(self, idle_s: float = 600) -> tuple[BackendSession, asyncio.Task[None]]:
        await want(self.bus, MODEL, "r")
        found = await self.bus.backends.get("model", BackendDemand)
        held = await try_claim(self.bus, Claim(backend_id="model", replica=0, agent_id="a", session="s"))
        assert found is not None and held is not None

        def failed(failure: Failure, served_elsewhere: bool, agents: Sequence[AgentInfo]) -> float | None:
            self.failures.append(failure)
            self.served_elsewhere = served_elsewhere
            return self.again_in

        session = BackendSession(
            bus=self.bus,
            store=self.store,
            tenancy=Tenancy(held, found[0], Lease(place="devices", devices=("GPU-1",))),
            open_backend=self.place.open,  # type: ignore[arg-type]
            make_runner=lambda backend, concurrency: NoRunner(),  # type: ignore[arg-type,return-value]
            telemetry=Unmeasured(),  # type: ignore[arg-type]
            idle_s=idle_s,
            on_failure=failed,
        )
        return session, asyncio.create_task(session.run())

    async def events(self) -> list[str]:
        info = await self.bus.js.stream_info(topology.EVENTS, subjects_filter=">")
        return sorted(subject.split(".", 3)[3] for subject in info.state.subjects or {})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_server(tmp_path / "nats") as server, provisioned_bus(server) as bus:
        await provision(bus.js)
        await ensure_consumer(bus.js, topology.backend_consumer("model"))
        yield World(bus, DirectoryStore(tmp_path / "store"))


async def withdraw(bus: Bus) -> None:
    demand = BackendDemand(backend_id="model", model=MODEL, job_ids=(), run_ids=(), withdrawn=True)
    await bus.backends.put("model", demand)


async def test_it_serves_idles_and_is_used_again(world: World) -> None:
    session, task = await world.session(idle_s=600)
    await until(lambda: session.info.state == "serving")
    assert session.info.devices == ("GPU-1",)
    assert session.info.concurrency == 8
    await want(world.bus, MODEL)
    await until(lambda: session.info.state == "idle")
    await want(world.bus, MODEL, "r2")
    await until(lambda: session.info.state == "serving")
    assert world.place.starts == 1, "it was warm"
    await want(world.bus, MODEL)
    await until(lambda: session.info.state == "idle")
    session.make_room()
    await asyncio.wait_for(task, 30)
    assert world.place.running == 0
    assert await world.bus.claims.keys() == []


async def test_cancelled_while_it_serves_it_ends_at_once(world: World) -> None:
    session, task = await world.session()
    await until(lambda: session.info.state == "serving")
    await withdraw(world.bus)
    await asyncio.wait_for(task, 30)  # not the 600 s that an idle one stays
    assert world.place.running == 0
    assert world.failures == []


async def test_cancelled_while_it_starts_it_ends_at_once(world: World) -> None:
    world.place.ready.clear()
    session, task = await world.session()
    await until(lambda: world.place.running == 1)
    world.place.say("x" * 1000)
    assert session.info.state == "starting"
    assert session.info.detail == "x" * 200
    await withdraw(world.bus)
    await asyncio.wait_for(task, 30)
    assert world.place.running == 0
    assert world.failures == []
    assert await world.bus.claims.keys() == []


async def test_that_it_stopped_is_told_to_jobs_that_do_not_want_it_any_more(world: World) -> None:
    session, task = await world.session(idle_s=0)
    await until(lambda: session.info.state == "serving")
    # As the scheduler leaves it when the last run has its answers.
    await world.bus.backends.put("model", BackendDemand(backend_id="model", model=MODEL, job_ids=(), run_ids=()))
    await asyncio.wait_for(task, 30)
    assert await world.events() == ["backend.ready", "backend.starting", "backend.stopped"]


async def test_an_agent_that_is_stopped_says_so_of_its_backends(world: World) -> None:
    session, task = await world.session()
    await until(lambda: session.info.state == "serving")
    task.cancel()
    await asyncio.wait([task], timeout=30)
    assert task.cancelled() and world.place.running == 0
    assert "backend.stopped" in await world.events()
    assert await world.bus.claims.keys() == []


async def test_a_failure_is_announced_or_tried_again(world: World) -> None:
    world.place.failure = Failure(kind="x", message="no route to host", retryable=True)
    world.again_in = 5.0
    _, task = await world.session()
    await asyncio.wait_for(task, 30)
    assert "backend.failed" not in await world.events()
    assert world.served_elsewhere is False
    other = SessionInfo(backend_id="model", replica=1, model="model", state="serving", since=0)
    await world.bus.agents.put("b", AgentInfo(agent_id="b", host="b", pid=1, started_at="", sessions=(other,)))
    world.again_in = None
    _, task = await world.session()
    await asyncio.wait_for(task, 30)
    assert "backend.failed" in await world.events()
    assert world.served_elsewhere is True
    assert [failure.message for failure in world.failures] == ["no route to host"] * 2


async def test_one_that_serves_gives_way_when_it_is_told_to(world: World) -> None:
    session, task = await world.session()
    await until(lambda: session.info.state == "serving")
    session.make_room()
    await asyncio.wait_for(task, 30)
    assert world.place.running == 0
