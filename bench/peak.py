"""The most memory that a process held.

Not `ru_maxrss`: over fork and exec it keeps the parent's peak, and a parent that has written the data had more.
"""

import re
from pathlib import Path

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def peak_mib(pid: int | str = "self") -> float:
    """MiB that a process held at most until now."""
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise ProcessLookupError(f"process {pid} has ended")
    return int(found[1]) / 1024
