"""Over any history of arrivals, deaths, returns and restarts no device is promised twice, and nothing leaks."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vhb_inference_agent.resources.pool import ResourcePool
from vhb_shared.contracts.state import Device
from vhb_shared.placement.room import Lease, Needs

SIZES = st.sampled_from([16.0, 23.99, 40.0, 80.0])
NEEDS = st.one_of(
    st.builds(
        Needs,
        place=st.just("devices"),
        gpus=st.integers(1, 4),
        gpu_memory_gib=st.none() | st.sampled_from([16.0, 24.0, 40.0, 80.0]),
        memory_gib=st.sampled_from([0.0, 8.0, 32.0]),
    ),
    st.builds(Needs, place=st.just("slot"), memory_gib=st.sampled_from([0.0, 8.0, 32.0])),
    st.just(Needs(place="remote")),
)


class PoolMachine(RuleBasedStateMachine):
    """One host through several lives of its agent. `running` is the truth: what really uses a device now."""

    @initialize(
        sizes=st.lists(SIZES, max_size=5), slots=st.integers(0, 2), memory=st.none() | st.sampled_from([32.0, 64.0])
    )
    def start(self, sizes: list[float], slots: int, memory: float | None) -> None:
        self.devices = tuple(
            Device(uuid=f"GPU-{index}", index=index, name="x", memory_gib=size) for index, size in enumerate(sizes)
        )
        self.slots, self.memory = slots, memory
        self.pool = self.fresh()
        self.running: dict[str, Lease] = {}
        self.born = 0

    def fresh(self) -> ResourcePool:
        return ResourcePool(self.devices, slots=self.slots, remote_slots=2, memory_gib=self.memory)

    @rule(needs=NEEDS)
    def arrives(self, needs: Needs) -> None:
        room = self.pool.room
        self.born += 1
        lease = self.pool.lease(f"b{self.born}", needs)
        fits = [device for device in room.devices if needs.suits(device)]
        if lease is None:
            enough = needs.memory_gib <= room.memory_gib
            if needs.place == "devices":
                assert len(fits) < needs.gpus or not enough
            else:
                assert (room.slots if needs.place == "slot" else room.remote_slots) <= 0 or not enough
            return
        assert len(set(lease.devices)) == needs.gpus
        assert set(lease.devices) <= {device.uuid for device in fits}
        self.running[f"b{self.born}"] = lease

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[holder]
        self.pool.release(holder)
        self.pool.release(holder)

    @rule(needs=NEEDS, older=NEEDS)
    def arrives_behind_an_older_one(self, needs: Needs, older: Needs) -> None:
        """What is held back for the older one is not given away."""
        room = self.pool.room
        left = room.held_back(older)
        self.born += 1
        lease = self.pool.lease(f"b{self.born}", needs, left)
        if lease is not None:
            self.running[f"b{self.born}"] = lease
            if room.pick(older) is not None:
                assert self.pool.room.pick(older) is not None

    @rule(data=st.data())
    def restarts(self, data: st.DataObject) -> None:
        """kill -9 of the agent: some of what ran survives it, and comes back in any order."""
        survivors = data.draw(st.permutations(sorted(self.running)))
        survivors = survivors[: data.draw(st.integers(0, len(survivors)))]
        self.pool = self.fresh()
        self.running = {holder: self.running[holder] for holder in survivors}
        for holder, lease in self.running.items():
            assert self.pool.adopt(holder, lease)
            assert not self.pool.adopt(holder, lease), "it holds something already"
            if lease.devices:
                assert not self.pool.adopt("another", lease)

    @rule()
    def a_stranger_cannot_be_adopted(self) -> None:
        assert not self.pool.adopt("stranger", Lease(place="devices", devices=("GPU-99",)))

    @invariant()
    def the_books_are_right(self) -> None:
        leases = self.pool.leases
        assert leases == self.running
        promised = [uuid for lease in leases.values() for uuid in lease.devices]
        assert len(promised) == len(set(promised))
        room = self.pool.room
        free = [device.uuid for device in room.devices]
        assert sorted(promised + free) == sorted(device.uuid for device in self.devices), "nothing leaks"
        assert room.slots >= 0
        assert room.remote_slots >= 0
        assert room.memory_gib >= 0
        everything = self.pool.without(tuple(leases))
        assert everything == self.fresh().room


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
