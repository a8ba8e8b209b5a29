"""The books of one host: who holds what. No device is ever promised twice.

Synchronous and without I/O: a lease is taken or refused in one step, so two tasks cannot come between.
"""

from vhb_shared.contracts.state import Device
from vhb_shared.placement.room import Lease, Needs, Room


class ResourcePool:
    """What a host has for backends, and who holds what of it.

    Args:
        devices: all devices that this agent owns.
        slots: backends without a device at once.
        remote_slots: backends elsewhere fed at once.
        memory_gib: of the host, for backends; None: not counted.
    """

    def __init__(
        self,
        devices: tuple[Device, ...] = (),
        *,
        slots: int = 1,
        remote_slots: int = 0,
        memory_gib: float | None = None,
    ) -> None:
        self.devices = tuple(sorted(devices, key=lambda device: device.index))
        if len({device.uuid for device in self.devices}) < len(self.devices):
            raise ValueError("two devices have one UUID")
        self._empty = Room(
            devices=self.devices,
            slots=slots,
            remote_slots=remote_slots,
            memory_gib=float("inf") if memory_gib is None else memory_gib,
        )
        self._leases: dict[str, Lease] = {}

    @property
    def leases(self) -> dict[str, Lease]:
        """Holder -> what it holds."""
        return dict(self._leases)

    @property
    def room(self) -> Room:
        """What is free now."""
        room = self._empty
        for lease in self._leases.values():
            room = room.without(lease)
        return room

    def lease(self, holder: str, needs: Needs, room: Room | None = None) -> Lease | None:
        """Gives a holder what it needs; None when there is not enough.

        Args:
            holder: who asks; holds nothing yet.
            needs: what it needs.
            room: what it may have of what is free; None: all of it.
        """
        assert holder not in self._leases, f"{holder} holds something already"
        lease = (room or self.room).pick(needs)
        if lease is None or not self._is_free(lease):
            return None
        self._leases[holder] = lease
        return lease

    def adopt(self, holder: str, lease: Lease) -> bool:
        """Enters what a holder was given in a former life of the agent.

        Returns:
            False when it cannot have it: a device is not there any more, or others hold it.
        """
        if holder in self._leases or not self._is_free(lease):
            return False
        self._leases[holder] = lease
        return True

    def release(self, holder: str) -> None:
        """Takes back what it held; nothing when it held nothing."""
        self._leases.pop(holder, None)

    def without(self, holders: tuple[str, ...]) -> Room:
        """What would be free if these gave back what they hold."""
        room = self.room
        for holder in holders:
            room = room.plus(self._leases[holder], self.devices)
        return room

    def _is_free(self, lease: Lease) -> bool:
        room = self.room
        free = {device.uuid for device in room.devices}
        places = {"slot": room.slots, "remote": room.remote_slots, "devices": 1}
        return set(lease.devices) <= free and places[lease.place] > 0 and lease.memory_gib <= room.memory_gib
