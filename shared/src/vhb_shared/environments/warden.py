"""Stands between the agent and one backend: ends the backend's whole group when the agent ends, bounds its log.

Run as a file by the agent's interpreter (`python -I -S warden.py RUN_DIRECTORY`), so it imports the standard library
only. A process of its own because nothing else works for kill -9 of the agent: the death signal of Linux reaches the
direct child only, and setting it from the agent would need code between fork and exec in a threaded process.

In RUN_DIRECTORY it reads plan.json (command, cwd, agent_pid, log_bytes, grace_s, memory_bytes, cpus), writes child.json
when the program runs, backend.log, and exit.json when it has ended. Standard input is a pipe that the agent holds open.
SIGTERM: end the group within grace_s. SIGUSR1, or the end of standard input: the agent is gone, end it now.

Bounds: a group whose own memory (resident and not shared) is more than memory_bytes when it is looked at is ended as
out of memory; a short peak between two looks is not seen. cpus: whole cores, by affinity.
"""

import ctypes
import json
import math
import os
import random
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY_S = 0.5
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def main(directory: Path) -> None:
    """Runs the plan; ends with the program's code, 128 + signal where it was killed, 127 where it did not start."""
    plan = json.loads((directory / "plan.json").read_text())
    waker, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
    if os.getppid() != plan["agent_pid"]:
        return
    log = BoundedLog(directory / "backend.log", plan["log_bytes"])
    output, child_output = os.pipe()
    os.set_blocking(output, False)
    try:
        child = subprocess.Popen(
            plan["command"],
            cwd=plan["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=child_output,
            stderr=child_output,
            start_new_session=True,
            preexec_fn=lambda: _in_child(plan.get("cpus")),
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.write(f"cannot start {plan['command'][0]}: {error}\n".encode())
        _write(directory / "exit.json", {"code": 127, "signal": None})
        sys.exit(127)
    os.close(child_output)
    _write(directory / "child.json", {"pid": child.pid, "started": start_time(child.pid)})
    memory = Memory(child.pid, plan.get("memory_bytes"))
    code = _watch(child, log, output, waker, plan["grace_s"], memory)
    ended = {
        "code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "out_of_memory": memory.exceeded or (code == -signal.SIGKILL and memory.kernel_killed),
    }
    _write(directory / "exit.json", ended)
    sys.exit(code if code >= 0 else 128 - code)


def _watch(
    child: "subprocess.Popen[bytes]", log: "BoundedLog", output: int, waker: int, grace_s: float, memory: "Memory"
) -> int:
    """Pumps output until the program has ended, then ends what it left behind. Returns Popen's return code."""
    deadline: float | None = None
    with selectors.DefaultSelector() as selector:
        for descriptor in (0, output, waker):
            selector.register(descriptor, selectors.EVENT_READ)
        while (code := child.poll()) is None:
            wait = _LOOK_EVERY_S if deadline is None else max(0.0, deadline - time.monotonic())
            for key, _ in selector.select(wait):
                data = _read(key.fd)
                if data is None:
                    continue
                if key.fd == output and data:
                    log.write(data)
                elif key.fd == waker and signal.SIGTERM in data and deadline is None:
                    _signal_group(child.pid, signal.SIGTERM)
                    deadline = time.monotonic() + grace_s
                elif (key.fd == waker and signal.SIGUSR1 in data) or (key.fd == 0 and not data):
                    deadline = time.monotonic()
                if not data:
                    selector.unregister(key.fd)
            if deadline is None and memory.look():
                deadline = time.monotonic()
            elif deadline is not None:
                memory.asked_to_end = True
            if deadline is not None and time.monotonic() >= deadline:
                _signal_group(child.pid, signal.SIGKILL)
                deadline = time.monotonic() + 0.2
    _signal_group(child.pid, signal.SIGKILL)
    _end_adopted()
    while data := _read(output):
        log.write(data)
    return code


def _end_adopted() -> None:
    """Kills what left the group and was handed to us when its parent ended (we are its reaper)."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        try:
            pids = [int(word) for word in children.read_text().split()]
        except OSError:
            return
        if not pids:
            return
        gone = False
        for pid in pids:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                gone |= os.waitpid(pid, os.WNOHANG)[0] == pid
        if not gone:
            time.sleep(0.01)


class Memory:
    """What a process group uses, and whether memory is why it ended."""

    def __init__(self, group: int, most: int | None) -> None:
        self._group, self._most = group, most
        self._looked = 0.0
        self._kills = [oom_kills(), oom_kills()]
        self.exceeded = False
        """It used more than it may."""
        self.asked_to_end = False

    def look(self) -> bool:
        """Whether it uses too much now; looks twice a second at most."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            self._kills = [self._kills[1], oom_kills()]
            self.exceeded = self._most is not None and group_memory(self._group) > self._most
        return self.exceeded

    @property
    def kernel_killed(self) -> bool:
        """Whether the kernel ended some process of this host for want of memory within about the last second. Asked
        when ours was killed by signal 9 and nobody here did it: then it was ours."""
        return not self.asked_to_end and oom_kills() > self._kills[0]


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def group_memory(group: int) -> int:
    """Bytes that a process group has for itself: resident, without what is shared; 0 where /proc does not exist."""
    pages = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            text = path.read_text()
            if int(text[text.rindex(")") + 2 :].split()[2]) == group:
                words = path.with_name("statm").read_text().split()
                pages += int(words[1]) - int(words[2])
    return pages * os.sysconf("SC_PAGE_SIZE")


class BoundedLog:
    """A file and its predecessor, together at most `bytes_` long. A full disk costs lines, never the backend."""

    def __init__(self, path: Path, bytes_: int) -> None:
        self._path, self._half = path, bytes_ // 2
        self._file: Any = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Appends, to the end of a line in one file where it can be; drops what cannot be written."""
        with suppress(OSError):
            while data:
                if self._file is None:
                    self._file = self._path.open("ab", buffering=0)
                    self._size = 0
                room = self._half - self._size
                cut = len(data) if len(data) <= room else data.rfind(b"\n", 0, room) + 1
                if not cut and not self._size:
                    cut = room  # a line that is longer than a file
                self._file.write(data[:cut])
                self._size += cut
                data = data[cut:]
                if data:
                    self._file.close()
                    self._file = None
                    self._path.replace(self._path.with_name(self._path.name + ".1"))


def start_time(pid: int) -> str | None:
    """Tells a process from a later one of the same number; None where the system does not say (then never kill)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()[19]


def _in_child(cpus: float | None) -> None:
    # This process has one thread, so code between fork and exec is safe here.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if cpus is not None and hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        # Any of them: several backends should not all sit on the first.
        os.sched_setaffinity(0, random.sample(allowed, min(len(allowed), math.ceil(cpus))))
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _prctl(option: int, value: int) -> None:
    if _LIBC is not None:
        _LIBC.prctl(option, value, 0, 0, 0)


def _read(descriptor: int) -> bytes | None:
    """None: nothing there now; empty: the end."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _signal_group(group: int, number: int) -> None:
    with suppress(OSError):
        os.killpg(group, number)


def _write(path: Path, value: dict[str, Any]) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".tmp")
    with suppress(OSError):
        partial.write_text(json.dumps(value))
        partial.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
