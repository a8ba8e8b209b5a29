"""Whether memory is nearly used up. Pure."""

from vhb_inference_agent.telemetry.devices import DeviceReading

HIGH = 0.95
LOW = 0.92
"""What was high counts as high until it is below this, or notices would come and go."""
DEVICE_HIGH = 0.985
DEVICE_LOW = 0.97
"""Engines take nine tenths of a device at once and on purpose; only what is left beside that is a sign."""


class MemoryPressure:
    """Which kinds of memory are nearly used up: `host`, `backend` (its own limit), `device`."""

    def __init__(self) -> None:
        self.high: frozenset[str] = frozenset()

    def look(
        self,
        *,
        host: tuple[int, int] | None,
        backend: tuple[int, int] | None,
        devices: tuple[DeviceReading, ...],
    ) -> frozenset[str]:
        """Takes in what is used and what there is, in bytes; returns what has become high just now.

        Args:
            host: memory of the host; None when not known.
            backend: of the backend's processes, and the limit set for them; None without either.
            devices: the leased ones.
        """
        known = [(each.memory_used, each.memory_total) for each in devices]
        fullest = max((used / total for used, total in known if used is not None and total), default=None)
        shares = {
            "host": _share(host, HIGH, LOW),
            "backend": _share(backend, HIGH, LOW),
            "device": None if fullest is None else (fullest, DEVICE_HIGH, DEVICE_LOW),
        }
        before = self.high
        self.high = frozenset(
            what
            for what, share in shares.items()
            if share is not None and share[0] >= (share[2] if what in before else share[1])
        )
        return self.high - before


def _share(known: tuple[int, int] | None, high: float, low: float) -> tuple[float, float, float] | None:
    return None if known is None or not known[1] else (known[0] / known[1], high, low)
