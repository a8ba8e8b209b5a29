"""One child process: started, restarted when it dies, gone when the parent is gone."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_PR_SET_PDEATHSIG = 1
MAX_LOG_BYTES = 16 << 20
YIELDING = 5
"""How nice a process is whose work can wait: it gets a third of what another one gets where both want all."""


def _before_exec(parent: int, nice: int) -> Callable[[], None]:
    """What a new child does before it becomes the program: asks the kernel to be killed when its parent dies, and
    steps back behind processes that are less nice.

    The kernel ties the former to the *thread* that forked, so children are started from the main thread. Elsewhere
    than on Linux a child ends when its connection to the server does not come back.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None

    def before_exec() -> None:
        if nice:
            os.nice(nice)
        if libc is None:
            return
        if nice:
            # Where the kernel groups processes by session, only the group's own niceness counts between groups.
            with suppress(OSError), Path("/proc/self/autogroup").open("w") as file:
                file.write(str(nice))
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return before_exec


class Child:
    """A supervised process. `command` is asked anew at each start; a `nice` one gives way to the others."""

    def __init__(
        self,
        name: str,
        command: Callable[[], list[str]],
        env: Mapping[str, str],
        log_file: Path,
        say: Callable[[str], None] = lambda text: None,
        *,
        nice: int = 0,
    ) -> None:
        self.name = name
        self._command = command
        self._env = dict(env)
        self.log_file = log_file
        self._nice = nice
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        self._say = say
        self._stopping = False
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Starts it and watches it; returns its process id."""
        pid = await self._spawn()
        self._watcher = asyncio.create_task(self._watch(), name=f"watch {self.name}")
        return pid

    async def _spawn(self) -> int:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".old.log"))
        with self.log_file.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self._command(),
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A session of its own: Ctrl-C in the terminal reaches the supervisor, which then stops it in order.
                start_new_session=True,
                preexec_fn=_before_exec(os.getpid(), self._nice),
            )
        return self.process.pid

    async def _watch(self) -> None:
        delay = 0.1
        while True:
            assert self.process is not None
            started = asyncio.get_running_loop().time()
            code = await self.process.wait()
            if self._stopping:
                return
            lived = asyncio.get_running_loop().time() - started
            delay = 0.1 if lived > 10 else min(delay * 2, 5.0)
            self.restarts += 1
            log.info("child_restarted", child=self.name, exit_code=code, after_s=round(lived, 1))
            self._say(
                f"{self.name} ended unexpectedly ({_how(code)}) and is started again; its log: {_short(self.log_file)}"
            )
            await asyncio.sleep(delay)
            await self._spawn()

    async def stop(self, grace_s: float = 10) -> None:
        """Ends it: asked first, then by force."""
        self._stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def log_tail(self, lines: int = 5) -> list[str]:
        """The last lines it wrote."""
        try:
            return self.log_file.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            return []


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _short(path: Path) -> Path:
    """As a person in the current directory would write it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
