"""Reads on in a container's log by the times that the engine gave its lines."""

from datetime import datetime
from typing import Any

from vhb_shared.environments.base import Output

MOST_LINES = 1000
"""Of one reading; the engine is asked for no more, so those before are not counted."""


def read_on(container: Any, place: str) -> Output:
    """What was written after a place: the time of the last line that was read, as the engine writes it."""
    options: dict[str, Any] = {"timestamps": True, "tail": MOST_LINES}
    if place:
        # Whole seconds for the engine; what is known of that second is left out below.
        options["since"] = int(datetime.fromisoformat(place[:19] + "+00:00").timestamp())
    reached = place
    lines: list[str] = []
    for line in container.logs(**options).decode(errors="replace").split("\n"):
        time, _, text = line.partition(" ")
        if time > place:
            lines.append(text)
            reached = time
    # Every line of a container ends: the last one is shown when it does.
    return Output(text="".join(f"{line}\n" for line in lines), place=reached)
