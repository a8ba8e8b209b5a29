"""The process environment: a program of this host in a virtual environment of its own."""

import asyncio
import contextlib
import datetime
import json
import os
import shutil
import signal
import socket
import sys
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vhb_shared.contracts.events import Failure
from vhb_shared.environments import process_table, virtualenv, warden
from vhb_shared.environments.base import (
    Capabilities,
    Environment,
    EnvironmentFailed,
    EnvironmentHandle,
    EnvironmentSettings,
    EnvironmentSpec,
    Exit,
    Installed,
    Output,
    Progress,
    Stats,
)
from vhb_shared.environments.log_reading import read_on

_HOST = "127.0.0.1"
# All that a backend is given of the agent's variables, beside those its spec names.
_INHERITED = (
    "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip


@dataclass
class _Running:
    warden: asyncio.subprocess.Process
    alive_pipe: int
    directory: Path
    port: int | None
    ended: "asyncio.Task[Exit]" = field(init=False)


class ProcessEnvironment(Environment):
    """Runs programs as children of the agent, each with a warden (see warden.py) that ends it when the agent ends.

    Virtual environments are cached below `<directory>/environments`, running backends have a directory below
    `<directory>/run`. Call `start` on the main thread's event loop: Linux ties the death signal to the thread.
    """

    name: ClassVar[str] = "process"
    capabilities: ClassVar[Capabilities] = Capabilities(
        installs_packages=True, local_files=True, gpus=True, limits=frozenset({"memory", "cpus"})
    )

    def __init__(self, settings: EnvironmentSettings) -> None:
        super().__init__(settings)
        self._root = settings.directory.absolute()
        self._running: dict[str, _Running] = {}

    async def prepare(self, spec: EnvironmentSpec, on_progress: Progress) -> EnvironmentSpec:
        """See `Environment.prepare`."""
        await self._folder(spec, on_progress)
        return spec

    async def start(self, spec: EnvironmentSpec) -> EnvironmentHandle:
        """See `Environment.start`."""
        folder = await self._prepared(spec)
        handle = EnvironmentHandle(
            environment=self.name,
            id=uuid.uuid4().hex[:12],
            labels={**spec.labels, "agent": self.settings.agent_id},
            started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        )
        directory = self._root / "run" / handle.id
        try:
            return await self._launch(spec, folder, directory, handle)
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            message = f"{spec.name} could not be started: {error.strerror or error} ({error.filename or directory})."
            raise _failed(message, retryable=True) from error

    async def address(self, handle: EnvironmentHandle) -> str | None:
        """See `Environment.address`."""
        running = self._running.get(handle.id)
        if running is None:
            return None
        if running.port is None:
            with contextlib.suppress(OSError, ValueError):
                running.port = int((running.directory / "port").read_text())
        return None if running.port is None else f"http://{_HOST}:{running.port}"

    async def exit_state(self, handle: EnvironmentHandle) -> Exit | None:
        """See `Environment.exit_state`."""
        running = self._running.get(handle.id)
        if running is None:
            return Exit()
        if running.ended.done():
            return running.ended.result()
        # The program may be dead while its warden still tidies up.
        known = process_table.read_json(running.directory / "exit.json")
        return None if known is None else Exit.model_validate(known)

    async def wait_exit(self, handle: EnvironmentHandle) -> Exit:
        """See `Environment.wait_exit`."""
        running = self._running.get(handle.id)
        return Exit() if running is None else await asyncio.shield(running.ended)

    async def logs(self, handle: EnvironmentHandle, lines: int = 50) -> tuple[str, ...]:
        """See `Environment.logs`."""
        running = self._running.get(handle.id)
        return () if running is None else await asyncio.to_thread(_tail, running.directory / "backend.log", lines)

    async def output(self, handle: EnvironmentHandle, place: str = "") -> Output:
        """See `Environment.output`."""
        running = self._running.get(handle.id)
        if running is None:
            return Output(place=place)
        return await asyncio.to_thread(read_on, running.directory / "backend.log", place)

    async def stats(self, handle: EnvironmentHandle) -> Stats:
        """See `Environment.stats`."""
        running = self._running.get(handle.id)
        child = None if running is None else process_table.read_json(running.directory / "child.json")
        return Stats() if child is None else await asyncio.to_thread(process_table.group_stats, child["pid"])

    async def installed(self, spec: EnvironmentSpec) -> Installed:
        """See `Environment.installed`."""
        folder = await self._prepared(spec)
        packages = await asyncio.to_thread(virtualenv.installed_packages, folder)
        return Installed(packages=packages, python=sys.version.split()[0])

    async def stop(self, handle: EnvironmentHandle, grace_s: float = 3.0) -> None:
        """See `Environment.stop`."""
        running = self._running.get(handle.id)
        if running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            running.warden.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.shield(running.ended)
        except TimeoutError:
            # The end of the pipe means: now.
            _close(running)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await asyncio.shield(running.ended)
            if not running.ended.done():
                # Stopped by a signal, or its program hangs in the kernel.
                await asyncio.to_thread(process_table.end, running.directory, remove=False)
                with contextlib.suppress(ProcessLookupError):
                    running.warden.kill()
                await running.ended
        _close(running)
        self._running.pop(handle.id, None)
        await asyncio.to_thread(shutil.rmtree, running.directory, ignore_errors=True)

    async def recover(self, handle: EnvironmentHandle) -> bool:
        """Nothing outlives its agent here: what is not ours is ended."""
        if handle.id in self._running:
            return True
        await asyncio.to_thread(process_table.end, self._root / "run" / handle.id)
        return False

    async def reap(self, labels: Mapping[str, str], keep: Collection[str] = ()) -> tuple[str, ...]:
        """See `Environment.reap`."""
        ours = frozenset(self._running) | frozenset(keep)
        return await asyncio.to_thread(process_table.reap, self._root / "run", dict(labels), ours)

    async def _folder(self, spec: EnvironmentSpec, on_progress: Progress) -> Path:
        recipe = virtualenv.VirtualenvRecipe(spec.name, spec.lock, spec.packages, spec.local_packages)
        return await virtualenv.build(recipe, self._root / "built", on_progress, self.settings.wheels)

    async def _prepared(self, spec: EnvironmentSpec) -> Path:
        recipe = virtualenv.VirtualenvRecipe(spec.name, spec.lock, spec.packages, spec.local_packages)
        folder = self._root / "built" / await asyncio.to_thread(recipe.key)
        if not virtualenv.is_complete(folder):
            raise _failed(
                f"The environment of {spec.name} is gone from {folder}; start this service again to build it."
            )
        return folder

    async def _launch(
        self, spec: EnvironmentSpec, folder: Path, directory: Path, handle: EnvironmentHandle
    ) -> EnvironmentHandle:
        environ = self._variables(spec, folder)
        port = None if any("{port_file}" in word for word in spec.command) else _free_port()
        values = {
            "{python}": str(virtualenv.python_of(folder)),
            "{host}": _HOST,
            "{port_file}": str(directory / "port"),
            "{port}": str(port or 0),
        }
        command = [_replaced(word, values) for word in spec.command]
        if shutil.which(command[0], path=environ["PATH"]) is None:
            raise _failed(f"{spec.name} needs the program {command[0]!r}, which this host lacks; install it.")
        plan: dict[str, Any] = {
            "command": command,
            "cwd": str(directory),
            "agent_pid": os.getpid(),
            "agent_started": warden.start_time(os.getpid()),
            "log_bytes": self.settings.log_bytes,
            "grace_s": 3.0,
            "memory_bytes": spec.memory_bytes,
            "cpus": spec.cpus,
        }
        await asyncio.to_thread(_write, directory, handle, plan)
        inherited, alive_pipe = os.pipe()
        try:
            with (directory / "warden.log").open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-I", "-S", str(Path(warden.__file__)), str(directory),
                    stdin=inherited, stdout=asyncio.subprocess.DEVNULL, stderr=errors,
                    env=environ, start_new_session=True,
                )  # fmt: skip
        except BaseException:
            os.close(alive_pipe)
            raise
        finally:
            os.close(inherited)
        running = _Running(process, alive_pipe, directory, port)
        running.ended = asyncio.create_task(_ended(running), name=f"exit of {spec.name}")
        self._running[handle.id] = running
        return handle

    def _variables(self, spec: EnvironmentSpec, folder: Path) -> dict[str, str]:
        environ = {name: os.environ[name] for name in (*_INHERITED, *spec.pass_env) if name in os.environ}
        environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        environ |= {"VIRTUAL_ENV": str(folder), "PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"}
        # Last, and empty where nothing was leased: a program must not help itself to what is promised to another.
        return environ | spec.env | {"CUDA_VISIBLE_DEVICES": ",".join(spec.devices)}


async def _ended(running: _Running) -> Exit:
    code = await running.warden.wait()
    known = process_table.read_json(running.directory / "exit.json")
    if known is None:
        # The warden itself was killed: its program died with it, what that had started may not have.
        await asyncio.to_thread(process_table.end, running.directory, remove=False)
        known = {"code": code if code >= 0 else None, "signal": -code if code < 0 else None}
    return Exit.model_validate(known)


def _write(directory: Path, handle: EnvironmentHandle, plan: dict[str, Any]) -> None:
    directory.mkdir(parents=True, mode=0o700)
    (directory / "handle.json").write_text(handle.model_dump_json())
    (directory / "plan.json").write_text(json.dumps(plan))


def _close(running: _Running) -> None:
    if running.alive_pipe >= 0:
        os.close(running.alive_pipe)
        running.alive_pipe = -1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _replaced(word: str, values: Mapping[str, str]) -> str:
    # Not str.format: engine options may hold braces of their own.
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


def _tail(path: Path, lines: int) -> tuple[str, ...]:
    wanted = lines * 400
    text = b""
    for part in (path, path.with_name(path.name + ".1")):
        if text.count(b"\n") >= lines:
            break
        with contextlib.suppress(OSError), part.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - wanted))
            text = file.read() + text
    return tuple(text.decode(errors="replace").splitlines()[-lines:])


def _failed(message: str, retryable: bool = False) -> EnvironmentFailed:
    return EnvironmentFailed(Failure(kind="environment_failed", message=message, retryable=retryable))
