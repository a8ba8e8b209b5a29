"""What runs on this host: who is still who, what a group uses, ending what an agent left behind."""

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import psutil

from vhb_shared.environments.base import Stats
from vhb_shared.environments.warden import start_time


def read_json(path: Path) -> dict[str, Any] | None:
    """A small state file; None where it is missing or damaged."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def group_stats(group: int) -> Stats:
    """Sums over a process group; zeros where there is none."""
    memory, seconds, processes = 0, 0.0, 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError), process.oneshot():
            if os.getpgid(process.pid) != group or process.status() == psutil.STATUS_ZOMBIE:
                continue
            used = process.cpu_times()
            memory += process.memory_info().rss
            seconds += used.user + used.system
            processes += 1
    return Stats(memory_bytes=memory, cpu_seconds=seconds, processes=processes)


def end(directory: Path, *, remove: bool = True) -> bool:
    """Kills the group that a run directory names, if it is still the same processes. True when there was one."""
    child = read_json(directory / "child.json")
    found = False
    if child is not None and child["started"] is not None:
        # The leader may be dead and its group alive: a group's number is not given out again while it has members.
        leader = start_time(child["pid"])
        if leader == child["started"] or (leader is None and group_stats(child["pid"]).processes):
            found = True
            with contextlib.suppress(OSError):
                os.killpg(child["pid"], signal.SIGKILL)
    if remove:
        shutil.rmtree(directory, ignore_errors=True)
    return found


def reap(runs: Path, labels: dict[str, str], ours: frozenset[str]) -> tuple[str, ...]:
    """Ends what carries `labels` below `runs`, except what is `ours` or belongs to a process that still lives."""
    ended: list[str] = []
    for directory in sorted(runs.glob("*")):
        plan, handle = read_json(directory / "plan.json"), read_json(directory / "handle.json")
        if directory.name in ours or plan is None or handle is None or not labels.items() <= handle["labels"].items():
            continue
        if plan["agent_started"] is None:
            # This system does not tell processes of one number apart; the wardens end what their agents leave.
            continue
        if plan["agent_pid"] != os.getpid() and start_time(plan["agent_pid"]) == plan["agent_started"]:
            continue
        end(directory)
        ended.append(directory.name)
    return tuple(ended)
