"""How a container ended, what it uses, and whether memory ran out in it. All from threads."""

import datetime
import time
from typing import Any

from docker.errors import APIError, NotFound

from vhb_shared.environments.base import Exit, Stats
from vhb_shared.environments.docker.engine import Engine

_SIGNALS = 64


def exit_of(state: dict[str, Any]) -> Exit | None:
    """From the engine's `State`; None while it runs."""
    if state.get("Running") or state.get("Status") in ("created", "restarting"):
        return None
    code = int(state.get("ExitCode") or 0)
    # The engine notes a child's death for want of memory too; a program that then ended well did without it.
    out_of_memory = bool(state.get("OOMKilled")) and code != 0
    if 128 < code <= 128 + _SIGNALS:
        return Exit(signal=code - 128, out_of_memory=out_of_memory)
    return Exit(code=code, out_of_memory=out_of_memory)


def stats_of(engine: Engine, container_id: str) -> Stats:
    """What it uses now; zeros when it has ended or the engine refuses."""
    try:
        container = engine.client().containers.get(container_id)
        if not container.attrs["State"].get("Running"):
            return Stats()
        used: Any = container.stats(stream=False, one_shot=True)
        processes = max(0, len(container.top().get("Processes") or ()) - 1)  # the first is the engine's init
    except (NotFound, APIError):
        return Stats()
    memory = used.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    cache = detail.get("inactive_file", 0) if "anon" in detail else detail.get("total_inactive_file", 0)
    cpu = (used.get("cpu_stats") or {}).get("cpu_usage") or {}
    return Stats(
        memory_bytes=max(0, int(memory.get("usage") or 0) - int(cache)),
        cpu_seconds=int(cpu.get("total_usage") or 0) / 1e9,
        processes=processes,
        out_of_memory=_oom_event(engine, container_id, container.attrs["State"].get("StartedAt", "")),
    )


def _oom_event(engine: Engine, container_id: str, started_at: str) -> bool:
    """Whether a process of a running container was ended for want of memory: only the engine's events say so."""
    try:
        since = datetime.datetime.fromisoformat(started_at[:19] + "+00:00").timestamp()
    except ValueError:
        return False
    filters = {"container": container_id, "event": "oom"}
    events = engine.client().events(since=int(since), until=int(time.time()), filters=filters, decode=True)
    try:
        return any(event.get("Action") == "oom" for event in events)
    finally:
        events.close()
