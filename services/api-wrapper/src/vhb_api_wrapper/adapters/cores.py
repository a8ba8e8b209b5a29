"""How many cores this process may use."""

import os


def usable_cores() -> int:
    """Cores of the process's affinity where the system knows one (Linux), else of the machine; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
