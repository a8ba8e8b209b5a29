"""What runs on this host, from /proc: who is still who, what a group uses, ending what an agent left behind."""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vhb_inference_agent.environments.base import Stats
from vhb_inference_agent.environments.warden import start_time


def read_json(path: Path) -> dict[str, Any] | None:
    """A small state file; None where it is missing or damaged."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def group_stats(group: int) -> Stats:
    """Sums over a process group; zeros where /proc does not exist."""
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    found = [fields for fields in _all_stats() if int(fields[2]) == group and fields[0] != "Z"]
    return Stats(
        memory_bytes=sum(int(fields[21]) for fields in found) * page,
        cpu_seconds=sum(int(fields[11]) + int(fields[12]) for fields in found) / tick,
        processes=len(found),
    )


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


def _all_stats() -> Iterator[list[str]]:
    """The fields of /proc/<pid>/stat from the third on."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text()
            yield text[text.rindex(")") + 2 :].split()
