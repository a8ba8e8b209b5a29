"""`python -m vhb_shared.health`: whether the service beside it is alive, for a container's health check.

A service writes the file named by VHB_HEALTH_FILE from its event loop every few seconds. A loop that is stuck, a
process that is gone, a connection that is lost: all leave the file old or say so in it. Standard library only, so that
asking costs little.
"""

import json
import os
import sys
import time
from pathlib import Path

VARIABLE = "VHB_HEALTH_FILE"
EVERY_S = 3.0
OLD_S = 20.0


def health_file() -> Path | None:
    """Where this process writes how it is; None: nowhere."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def write(path: Path, *, connected: bool) -> None:
    """Says that the event loop runs, now. The clock is the machine's, the same for all its processes."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps({"at": time.monotonic(), "connected": connected}))
    partial.replace(path)


def trouble(path: Path | None, now: float) -> str | None:
    """What is wrong, in a sentence; None when all is well."""
    if path is None:
        return f"{VARIABLE} is not set, so the service does not say how it is."
    try:
        said = json.loads(path.read_text())
        age, connected = now - float(said["at"]), bool(said["connected"])
    except OSError:
        return f"{path} is not there: the service has not started yet."
    except (ValueError, KeyError, TypeError):
        return f"{path} holds something else."
    # A file from before the machine started anew seems to come from the future.
    if not -1 <= age <= OLD_S:
        return f"The event loop has not run for {max(age, 0):.0f} s: the service is stuck or gone."
    return None if connected else "The connection to the bus is lost."


if __name__ == "__main__":
    problem = trouble(health_file(), time.monotonic())
    if problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
