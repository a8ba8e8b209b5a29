"""Who gets which place, when: small worlds of several agents in simulated time."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from vhb_inference_agent.placement import (
    DEFER_S,
    PATIENCE_S,
    GiveWay,
    Key,
    Situation,
    Start,
    Tenant,
    Wanted,
    holder,
    next_step,
    replicas_justified,
)
from vhb_inference_agent.resources.pool import ResourcePool
from vhb_shared.contracts.job import ModelEntry, Resources
from vhb_shared.contracts.state import AgentInfo, BackendDemand, Device, SessionInfo
from vhb_shared.placement.needs import needs_of

BACKENDS = {"engine": ("process",), "remote": ()}
STEP_S = 2.0
IDLE_S = 60.0


def entry(name: str, gpus: int = 0, gib: float | None = None, replicas: int = 1, backend: str = "engine") -> ModelEntry:
    resources = Resources(gpus=gpus, gpu_memory_gib=gib)
    return ModelEntry(name=name, backend=backend, resources=resources, replicas=replicas)


def demand(model: ModelEntry, since: float = 0.0) -> BackendDemand:
    run_ids = ("r",)
    return BackendDemand(backend_id=model.name, model=model, job_ids=("j",), run_ids=run_ids, since={"r": since})


@dataclass
class Session:
    demand: BackendDemand
    unwanted_since: float | None = None
    leaving: bool = False


@dataclass
class Host:
    """One agent with its books and sessions."""

    name: str
    sizes: tuple[float, ...] = ()
    slots: int = 1
    sessions: dict[Key, Session] = field(default_factory=dict)
    free_since: dict[Key, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.devices = tuple(
            Device(uuid=f"{self.name}-{index}", index=index, name="x", memory_gib=size)
            for index, size in enumerate(self.sizes)
        )
        self.pool = ResourcePool(self.devices, slots=self.slots, remote_slots=8)

    @property
    def info(self) -> AgentInfo:
        leases = self.pool.leases
        sessions = tuple(
            SessionInfo(
                backend_id=key[0],
                replica=key[1],
                model=key[0],
                state="serving" if session.unwanted_since is None else "idle",
                since=0,
                devices=leases[holder(key)].devices,
                place=leases[holder(key)].place,
            )
            for key, session in self.sessions.items()
        )
        return AgentInfo(
            agent_id=self.name,
            host=self.name,
            pid=1,
            started_at="",
            backends=BACKENDS,
            environments=("process",),
            devices=self.devices,
            slots=self.slots,
            remote_slots=8,
            sessions=sessions,
        )

    def look(self, world: "World") -> None:
        claimed = {key for host in world.hosts for key in host.sessions}
        wanted = [Wanted(found, found.model.replicas) for found in world.demands.values()]
        free = {(found.backend_id, n) for found in world.demands.values() for n in range(found.model.replicas)}
        self.free_since = {key: self.free_since.get(key, world.now) for key in free - claimed}
        others = [host.info for host in world.hosts if host is not self]
        for _ in range(100):
            tenants = [
                Tenant(
                    key,
                    needs_of(session.demand.model, BACKENDS[session.demand.model.backend or ""]),
                    session.unwanted_since,
                    session.demand.wanted_since,
                    session.leaving,
                )
                for key, session in self.sessions.items()
            ]
            situation = Situation(
                world.now, self.info, wanted, frozenset(claimed), tenants, others, self.free_since, frozenset()
            )
            step = next_step(situation, self.pool)
            if step is None:
                return
            if isinstance(step, GiveWay):
                assert step.keys
                for key in step.keys:
                    assert not self.sessions[key].leaving
                    world.gave_way.append((world.now, key, self.sessions[key].unwanted_since is not None))
                    self.sessions[key].leaving = True
                continue
            assert isinstance(step, Start)
            key = (step.demand.backend_id, step.replica)
            assert key not in claimed
            assert self.pool.lease(holder(key), step.needs, step.room) is not None
            self.sessions[key] = Session(step.demand)
            world.started.append((world.now, self.name, key))
            claimed.add(key)
        raise AssertionError("it never comes to rest")


@dataclass
class World:
    """Agents, what is wanted of them, and a clock."""

    hosts: list[Host]
    now: float = 0.0
    demands: dict[str, BackendDemand] = field(default_factory=dict)
    started: list[tuple[float, str, Key]] = field(default_factory=list)
    gave_way: list[tuple[float, Key, bool]] = field(default_factory=list)

    def want(self, model: ModelEntry) -> None:
        self.demands[model.name] = demand(model, self.now)

    def done(self, name: str) -> None:
        del self.demands[name]

    def step(self) -> None:
        """Every agent looks once; sessions notice what they were told."""
        for host in self.hosts:
            for key, session in list(host.sessions.items()):
                found = self.demands.get(key[0])
                if found is not None:
                    session.demand = found
                    if session.unwanted_since is not None:
                        session.unwanted_since, session.leaving = None, False
                elif session.unwanted_since is None:
                    session.unwanted_since = self.now
                idle = session.unwanted_since
                if session.leaving or (idle is not None and self.now - idle >= IDLE_S):
                    del host.sessions[key]
                    host.pool.release(holder(key))
            host.look(self)
        self.now += STEP_S

    def steps(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP_S)):
            self.step()

    def at(self, name: str) -> list[str]:
        return [host.name for host in self.hosts for key in host.sessions if key[0] == name]


def test_several_backends_share_a_host_and_each_gets_its_own_devices() -> None:
    world = World([Host("a", (24, 80))])
    for model in (entry("small", 1, 20), entry("large", 1, 70), entry("pair", 2, 10)):
        world.want(model)
        world.step()
    assert world.at("small") == ["a"]
    assert world.at("large") == ["a"], "the small one did not take the large device"
    assert world.at("pair") == []
    world.done("small")
    world.steps(6)
    assert world.at("pair") == [], "it needs two, and one is busy"
    world.done("large")
    world.steps(6)
    assert world.at("pair") == ["a"], "idle ones gave way at once"
    assert {key[0] for _, key, _ in world.gave_way} <= {"small", "large"}
    assert all(idle for _, _, idle in world.gave_way)


def test_the_least_recently_used_gives_way_and_no_more_than_needed() -> None:
    world = World([Host("a", (24, 24))])
    world.want(entry("first", 1))
    world.want(entry("second", 1))
    world.step()
    world.done("second")
    world.step()
    world.done("first")
    world.steps(4)
    world.want(entry("third", 1))
    world.steps(4)
    assert world.at("third") == ["a"]
    assert world.at("first") == ["a"]
    assert world.at("second") == []


def test_a_warm_backend_is_used_again_and_nothing_is_started() -> None:
    world = World([Host("a", (24,)), Host("b", (24,))])
    world.want(entry("model", 1))
    world.steps(4)
    world.done("model")
    world.steps(20)
    world.want(entry("model", 1))
    world.steps(20)
    assert len(world.started) == 1


def test_what_can_never_fit_is_not_tried_and_holds_nothing_back() -> None:
    world = World([Host("a", (24, 24))])
    world.want(entry("monster", 4, 80))
    world.step()
    world.want(entry("small", 1))
    world.step()
    assert world.at("small") == ["a"]
    assert world.at("monster") == []


def test_the_large_one_gets_its_devices_although_small_ones_keep_coming() -> None:
    world = World([Host("a", (24, 24))])
    world.want(entry("small-0", 1))
    world.want(entry("small-1", 1))
    world.step()
    world.want(entry("large", 2))
    for number in range(2, 40):
        world.want(entry(f"small-{number}", 1))
        world.step()
        if number % 3 == 0:
            world.done(f"small-{number // 3 - 1}")
        if world.at("large"):
            break
    assert world.at("large") == ["a"]
    assert {key[0] for _, _, key in world.started} == {"small-0", "small-1", "large"}, "nobody came in between"


def test_one_that_always_has_younger_work_gives_way_in_the_end() -> None:
    world = World([Host("a", (24,))])
    world.want(entry("busy", 1))
    world.step()
    world.want(entry("patient", 1))
    while not world.at("patient"):
        world.demands["busy"] = demand(entry("busy", 1), world.now)  # its runs come and go, there is always one
        world.step()
        assert world.now < PATIENCE_S + 60
    assert world.now > PATIENCE_S


def test_replicas_go_to_who_has_less_to_do() -> None:
    world = World([Host(name, slots=2) for name in "abcd"])
    world.want(entry("wide", replicas=4, backend="remote"))
    world.steps(2 * DEFER_S)
    assert sorted(world.at("wide")) == ["a", "b", "c", "d"]


def test_one_agent_takes_all_replicas_when_it_is_alone_or_the_others_cannot() -> None:
    world = World([Host("a", (24, 24, 24)), Host("b")])
    world.want(entry("wide", 1, replicas=3))
    world.step()
    assert world.at("wide") == ["a", "a", "a"]


def test_an_idle_agent_that_does_not_look_delays_the_others_by_seconds_only() -> None:
    asleep = Host("z", slots=4)
    asleep.look = lambda world: None  # type: ignore[method-assign]
    world = World([Host("a", slots=4), asleep])
    world.want(entry("wide", replicas=2))
    world.steps(DEFER_S + 3 * STEP_S)
    assert world.at("wide") == ["a", "a"]


def test_a_first_replica_comes_before_a_second() -> None:
    world = World([Host("a", (24, 24))])
    world.want(entry("wide", 1, replicas=2))
    world.want(entry("other", 1))
    world.step()
    assert world.at("wide") == ["a"]
    assert world.at("other") == ["a"]


def test_replicas_follow_the_queue() -> None:
    assert replicas_justified(0, 2, 8) == 1
    assert replicas_justified(2, 2, 8) == 1
    assert replicas_justified(3, 2, 8) == 2
    assert replicas_justified(100, 2, 8) == 8
    for waiting in range(1, 30):
        for at_once in range(1, 10):
            assert 1 <= replicas_justified(waiting, at_once, 1000) <= waiting


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_comes_everything_that_fits_is_served_in_the_end(data: st.DataObject) -> None:
    sizes = st.lists(st.sampled_from([24.0, 40.0, 80.0]), max_size=3).map(tuple)
    hosts = [
        Host(name, data.draw(sizes), slots=data.draw(st.integers(0, 2)))
        for name in "abc"[: data.draw(st.integers(1, 3))]
    ]
    world = World(hosts)
    models = [
        entry(
            f"m{number}",
            data.draw(st.integers(0, 3)),
            data.draw(st.sampled_from([None, 20.0, 40.0, 70.0])),
            data.draw(st.integers(1, 2)),
            data.draw(st.sampled_from(["engine", "engine", "remote"])),
        )
        for number in range(data.draw(st.integers(1, 8)))
    ]
    possible = {
        model.name
        for model in models
        for host in hosts
        if ResourcePool(host.devices, slots=host.slots, remote_slots=8).room.pick(
            needs_of(model, BACKENDS[model.backend or ""])
        )
    }
    left = {model.name: data.draw(st.integers(1, 20)) for model in models}
    coming = list(models)
    for _ in range(600):
        if coming and data.draw(st.booleans()):
            world.want(coming.pop())
        world.step()
        for name in list(world.demands):
            left[name] -= len(world.at(name))
            if left[name] <= 0:
                world.done(name)
        if not coming and not possible & world.demands.keys():
            break
    assert not possible & world.demands.keys(), f"not served: {sorted(possible & world.demands.keys())}"
    assert all(idle for _, _, idle in world.gave_way), "nobody who serves was sent away"
    for host in hosts:
        promised = [uuid for lease in host.pool.leases.values() for uuid in lease.devices]
        assert len(promised) == len(set(promised))
