"""Room on a host as a value: what is free, what fits in it. Pure; `ResourcePool` keeps the books with it."""

from itertools import groupby

from pydantic import BaseModel, ConfigDict

from vhb_shared.contracts.state import Device, Place

ROUNDING = 1.02
"""A device of 24 GiB says 23.99: what is asked for counts as there within so much."""


class Needs(BaseModel):
    """What one replica of a backend takes."""

    model_config = ConfigDict(frozen=True)

    place: Place
    gpus: int = 0
    gpu_memory_gib: float | None = None
    """Per device."""
    memory_gib: float = 0
    """Of the host."""

    def suits(self, device: Device) -> bool:
        """Whether the device is one of those that would do."""
        return self.gpu_memory_gib is None or device.memory_gib * ROUNDING >= self.gpu_memory_gib


class Lease(BaseModel):
    """What was given to one replica of a backend. Whole devices only."""

    model_config = ConfigDict(frozen=True)

    place: Place
    devices: tuple[str, ...] = ()
    """UUIDs, in the order of their indices."""
    memory_gib: float = 0


class Room(BaseModel):
    """What is free."""

    model_config = ConfigDict(frozen=True)

    devices: tuple[Device, ...] = ()
    slots: int = 0
    remote_slots: int = 0
    memory_gib: float = float("inf")

    def pick(self, needs: Needs) -> Lease | None:
        """What would be given for `needs`; None when there is not enough. The smallest devices that do, so that large
        ones stay for who needs them; several of one kind before a mixture."""
        if needs.memory_gib > self.memory_gib:
            return None
        if needs.place == "remote":
            return Lease(place="remote") if self.remote_slots > 0 else None
        if needs.place == "slot":
            return Lease(place="slot", memory_gib=needs.memory_gib) if self.slots > 0 else None
        chosen = self._choose(needs)
        if len(chosen) < needs.gpus:
            return None
        return Lease(place="devices", devices=_uuids(chosen), memory_gib=needs.memory_gib)

    def without(self, lease: Lease) -> "Room":
        """What stays when it is given away."""
        return Room(
            devices=tuple(device for device in self.devices if device.uuid not in lease.devices),
            slots=self.slots - (lease.place == "slot"),
            remote_slots=self.remote_slots - (lease.place == "remote"),
            memory_gib=self.memory_gib - lease.memory_gib,
        )

    def plus(self, lease: Lease, devices: tuple[Device, ...]) -> "Room":
        """What there is when it comes back.

        Args:
            lease: what comes back.
            devices: all devices of the host.
        """
        back = tuple(device for device in devices if device.uuid in lease.devices)
        return Room(
            devices=tuple(sorted((*self.devices, *back), key=lambda device: device.index)),
            slots=self.slots + (lease.place == "slot"),
            remote_slots=self.remote_slots + (lease.place == "remote"),
            memory_gib=self.memory_gib + lease.memory_gib,
        )

    def held_back(self, needs: Needs) -> "Room":
        """What others may have while somebody older collects what it needs: as much of that as is free is kept."""
        kept = Lease(
            place=needs.place,
            devices=_uuids(self._choose(needs)) if needs.place == "devices" else (),
            memory_gib=max(0.0, min(needs.memory_gib, self.memory_gib)),
        )
        return self.without(kept)

    def _choose(self, needs: Needs) -> list[Device]:
        """At most `gpus` devices that suit."""
        fitting = sorted(filter(needs.suits, self.devices), key=lambda device: (device.memory_gib, device.index))
        for _, alike in groupby(fitting, key=lambda device: (device.memory_gib, device.name)):
            kind = list(alike)
            if len(kind) >= needs.gpus:
                return kind[: needs.gpus]
        return fitting[: needs.gpus]


def _uuids(devices: list[Device]) -> tuple[str, ...]:
    return tuple(device.uuid for device in sorted(devices, key=lambda device: device.index))
