"""What an agent does next with its room. Pure: everything it decides by comes in as an argument.

- The longest waiting run comes first; a first replica of anything before a second one of something.
- Who is first in line and does not fit yet collects what becomes free: those behind it get only what it does not need.
- Idle backends give way at once, the one not used for longest first. One that serves gives way only when all its runs
  came after a run that has waited for `PATIENCE_S`, so that nobody waits for ever.
- As many replicas as the queue keeps busy, and none while another agent with less to do could take it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vhb_inference_agent.resources.pool import ResourcePool
from vhb_shared.contracts.state import AgentInfo, BackendDemand
from vhb_shared.placement.needs import needs_of, obstacle, room_of
from vhb_shared.placement.room import Needs, Room

PATIENCE_S = 600.0
"""How long a run waits before a backend that serves younger ones gives way to it."""
DEFER_S = 5.0
"""How long an agent leaves a place to another one that has less to do: longer than that one takes to look."""

Key = tuple[str, int]
"""Backend id and replica."""


def holder(key: Key) -> str:
    """Its name in the pool's books."""
    return f"{key[0]}.{key[1]}"


@dataclass(frozen=True)
class Tenant:
    """A session of this agent, as far as placement sees it."""

    key: Key
    needs: Needs
    unwanted_since: float | None
    """Unix seconds; None while a run wants it."""
    wanted_since: float
    """Unix seconds since when the longest waiting of its runs waits."""
    leaving: bool = False
    """It was told to go already."""


@dataclass(frozen=True)
class Wanted:
    """A backend that runs wait for."""

    demand: BackendDemand
    replicas: int
    """How many its queue keeps busy, at most as many as its entry allows."""


@dataclass(frozen=True)
class Situation:
    """All that a decision depends on."""

    now: float
    """Unix seconds."""
    agent: AgentInfo
    wanted: Sequence[Wanted]
    claimed: frozenset[Key]
    """Of all agents, this one included."""
    tenants: Sequence[Tenant]
    others: Sequence[AgentInfo] = ()
    free_since: Mapping[Key, float] = field(default_factory=dict)
    """Since when this agent has seen a replica unclaimed; Unix seconds."""
    barred: frozenset[str] = frozenset()
    """Backends that failed here a moment ago."""


@dataclass(frozen=True)
class Start:
    """Take this replica."""

    demand: BackendDemand
    replica: int
    needs: Needs
    room: Room
    """What it may have: older ones that wait hold back the rest."""


@dataclass(frozen=True)
class GiveWay:
    """These sessions end so that an older one finds its place."""

    keys: tuple[Key, ...]


def replicas_justified(waiting: int, at_once: int, most: int) -> int:
    """How many replicas the queue keeps busy: one more only when those before it have their hands full.

    Args:
        waiting: shards not done, those in somebody's hands included.
        at_once: shards that one replica has in hand.
        most: what the entry allows.
    """
    return max(1, min(most, -(-waiting // max(1, at_once))))


def next_step(situation: Situation, pool: ResourcePool) -> Start | GiveWay | None:
    """What to do now; None: nothing, until something changes. Call it again after each step."""
    room = pool.room
    for wanted, replica in _line(situation):
        demand = wanted.demand
        needs = needs_of(demand.model, situation.agent.backends.get(demand.model.backend or "", ()))
        if room.pick(needs) is not None:
            if _leave_to_others(situation, demand, replica):
                continue
            return Start(demand, replica, needs, room)
        if any(claimed == demand.backend_id for claimed, _ in situation.claimed):
            continue  # it is served: another replica of it waits without holding anything back
        leavers = _who_leaves(situation, demand, needs, pool, room)
        if leavers:
            return GiveWay(leavers)
        room = room.held_back(needs)
    return None


def _line(situation: Situation) -> list[tuple[Wanted, int]]:
    """Unclaimed replicas that this agent could run, in the order of their turn; one of each backend."""
    line: list[tuple[int, float, str, Wanted]] = []
    for wanted in situation.wanted:
        demand = wanted.demand
        if demand.backend_id in situation.barred or obstacle(demand.model, situation.agent) is not None:
            continue
        taken = {replica for backend_id, replica in situation.claimed if backend_id == demand.backend_id}
        free = next((replica for replica in range(demand.model.replicas) if replica not in taken), None)
        if free is not None and len(taken) < wanted.replicas:
            line.append((len(taken), demand.wanted_since, demand.backend_id, wanted))
    line.sort(key=lambda entry: entry[:3])
    return [(wanted, _free_replica(situation, wanted)) for _, _, _, wanted in line]


def _free_replica(situation: Situation, wanted: Wanted) -> int:
    taken = {replica for backend_id, replica in situation.claimed if backend_id == wanted.demand.backend_id}
    return next(replica for replica in range(wanted.demand.model.replicas) if replica not in taken)


def _leave_to_others(situation: Situation, demand: BackendDemand, replica: int) -> bool:
    """Whether another agent with less to do has room for it and has not had the time to take it."""
    since = situation.free_since.get((demand.backend_id, replica), situation.now)
    if situation.now - since >= DEFER_S:
        return False
    busy = sum(tenant.unwanted_since is None and not tenant.leaving for tenant in situation.tenants)
    return any(_could_take(other, demand, busy) for other in situation.others)


def _could_take(other: AgentInfo, demand: BackendDemand, busy: int) -> bool:
    at_work = tuple(session for session in other.sessions if session.state != "idle")
    if len(at_work) >= busy or any(trouble.backend_id == demand.backend_id for trouble in other.troubles):
        return False
    if obstacle(demand.model, other) is not None:
        return False
    needs = needs_of(demand.model, other.backends.get(demand.model.backend or "", ()))
    return room_of(other, at_work).pick(needs) is not None


def _who_leaves(
    situation: Situation, demand: BackendDemand, needs: Needs, pool: ResourcePool, room: Room
) -> tuple[Key, ...]:
    """The fewest sessions whose going makes room, least recently used first; none when their going would not do.

    Those that were told before are counted as gone, so that nobody leaves in vain.
    """
    leases = pool.leases
    going = [tenant for tenant in situation.tenants if tenant.leaving and holder(tenant.key) in leases]
    idle = [tenant for tenant in situation.tenants if tenant.unwanted_since is not None and not tenant.leaving]
    idle.sort(key=lambda tenant: tenant.unwanted_since or 0.0)
    younger: list[Tenant] = []
    if situation.now - demand.wanted_since >= PATIENCE_S:
        younger = [
            tenant
            for tenant in situation.tenants
            if tenant.unwanted_since is None and not tenant.leaving and tenant.wanted_since > demand.wanted_since
        ]
        younger.sort(key=lambda tenant: tenant.wanted_since, reverse=True)
    for tenant in going:
        room = room.plus(leases[holder(tenant.key)], pool.devices)
    if room.pick(needs) is not None:
        return ()
    chosen: list[Tenant] = []
    for tenant in (*idle, *younger):
        if holder(tenant.key) not in leases or not _helps(tenant, needs, pool):
            continue
        chosen.append(tenant)
        room = room.plus(leases[holder(tenant.key)], pool.devices)
        if room.pick(needs) is not None:
            return _fewest(chosen, needs, pool, room)
    return ()


def _fewest(chosen: list[Tenant], needs: Needs, pool: ResourcePool, room: Room) -> tuple[Key, ...]:
    """Lets stay whose going is not needed, the most recently used first.

    Args:
        chosen: sessions whose going makes room.
        needs: what has to fit.
        pool: the host's books.
        room: what is free when all of them are gone.
    """
    going: list[Tenant] = []
    for tenant in reversed(chosen):
        without = room.without(pool.leases[holder(tenant.key)])
        if without.pick(needs) is not None:
            room = without
        else:
            going.append(tenant)
    return tuple(tenant.key for tenant in reversed(going))


def _helps(tenant: Tenant, needs: Needs, pool: ResourcePool) -> bool:
    """Whether it holds anything of the kind that is needed."""
    lease = pool.leases[holder(tenant.key)]
    suiting = {device.uuid for device in pool.devices if needs.suits(device)}
    same_place = lease.place == needs.place and (needs.place != "devices" or bool(suiting & set(lease.devices)))
    return same_place or bool(needs.memory_gib and lease.memory_gib)
