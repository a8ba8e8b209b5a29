"""An environment whose programs outlive the agent, as containers do, without a container engine; and a backend for it.

Each program is a process of its own session with a folder: handle.json, port, log, exit (by a shell that waits for it).
"""

import asyncio
import contextlib
import datetime
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from vhb_inference_agent.backends.base import BackendAdapter, BackendCapabilities
from vhb_inference_agent.backends.probe import NoReply, get
from vhb_inference_agent.endpoint import Endpoint
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import (
    Capabilities,
    Environment,
    EnvironmentHandle,
    EnvironmentSpec,
    Exit,
    Installed,
    Progress,
    Stats,
)

# Tells the port from the server's first line, then waits.
_WRAPPER = """
import os, pathlib, subprocess, sys
folder = pathlib.Path(sys.argv[1])
server = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, text=True)
(folder / "pid").write_text(str(server.pid))
line = server.stdout.readline()
partial = folder / "port.tmp"
partial.write_text(line.rpartition(":")[2].partition("/")[0])
partial.replace(folder / "port")
(folder / "exit").write_text(str(server.wait()))
"""


class DetachedEnvironment(Environment):
    """See above."""

    name: ClassVar[str] = "detached"
    capabilities: ClassVar[Capabilities] = Capabilities(survives_agent=True, local_files=True, gpus=True)

    def _folder(self, handle: EnvironmentHandle) -> Path:
        return self.settings.directory.absolute() / "detached" / handle.id

    async def prepare(self, spec: EnvironmentSpec, on_progress: Progress) -> EnvironmentSpec:
        on_progress("prepared")
        return spec

    async def start(self, spec: EnvironmentSpec) -> EnvironmentHandle:
        handle = EnvironmentHandle(
            environment=self.name,
            id=uuid.uuid4().hex[:12],
            labels=spec.labels,
            started_at=datetime.datetime.now(datetime.UTC).isoformat(),
        )
        folder = self._folder(handle)
        folder.mkdir(parents=True)
        (folder / "handle.json").write_text(handle.model_dump_json())
        (folder / "spec.json").write_text(spec.model_dump_json())
        command = [word.replace("{python}", sys.executable).replace("{port}", "0") for word in spec.command]
        with (folder / "log").open("wb") as log:
            wrapper = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _WRAPPER, str(folder), *command,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=log,
                env=os.environ | spec.env, start_new_session=True,
            )  # fmt: skip
        (folder / "wrapper").write_text(str(wrapper.pid))
        return handle

    async def address(self, handle: EnvironmentHandle) -> str | None:
        try:
            return f"http://127.0.0.1:{int((self._folder(handle) / 'port').read_text())}"
        except (OSError, ValueError):
            return None

    async def exit_state(self, handle: EnvironmentHandle) -> Exit | None:
        folder = self._folder(handle)
        if not (folder / "handle.json").exists():
            return Exit()
        try:
            code = int((folder / "exit").read_text())
        except (OSError, ValueError):
            return None
        return Exit(code=code) if code >= 0 else Exit(signal=-code)

    async def wait_exit(self, handle: EnvironmentHandle) -> Exit:
        while (ended := await self.exit_state(handle)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return ended

    async def logs(self, handle: EnvironmentHandle, lines: int = 50) -> tuple[str, ...]:
        with contextlib.suppress(OSError):
            return tuple((self._folder(handle) / "log").read_text().splitlines()[-lines:])
        return ()

    async def stats(self, handle: EnvironmentHandle) -> Stats:
        return Stats()

    async def installed(self, spec: EnvironmentSpec) -> Installed:
        return Installed(runtime="detached 1.0")

    async def stop(self, handle: EnvironmentHandle, grace_s: float = 3.0) -> None:
        folder = self._folder(handle)
        with contextlib.suppress(OSError, ValueError):
            os.killpg(int((folder / "wrapper").read_text()), signal.SIGKILL)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def recover(self, handle: EnvironmentHandle) -> bool:
        if await self.exit_state(handle) is None:
            return True
        await self.stop(handle)
        return False

    async def reap(self, labels: Mapping[str, str], keep: Collection[str] = ()) -> tuple[str, ...]:
        ended: list[str] = []
        for path in sorted((self.settings.directory.absolute() / "detached").glob("*/handle.json")):
            handle = EnvironmentHandle.model_validate_json(path.read_text())
            if labels.items() <= handle.labels.items() and handle.id not in keep:
                await self.stop(handle)
                ended.append(handle.id)
        return tuple(ended)


class DetachedBackend(BackendAdapter):
    """The stand-in endpoint in that environment. Engine arguments are its flags."""

    name: ClassVar[str] = "detached"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(environments=("detached",), vision="yes")

    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        return self.environment_problems(model)

    def launch(self, model: ModelEntry) -> EnvironmentSpec | None:
        flags = [f"--{key}={value}" for key, value in sorted(model.engine_args.items())]
        command = ("{python}", "-m", "vhb_shared.testing.endpoint", "--port={port}", "--any-model", *flags)
        return EnvironmentSpec(name=model.name, command=command, ready_timeout_s=60)

    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        return Endpoint(base_url=f"{address}/v1", model=model.served_model)

    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        try:
            return (await get(f"{endpoint.base_url}/models")).status == 200
        except NoReply:
            return False
