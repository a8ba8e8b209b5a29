"""A backend from start to stop, with a real process that is killed, hangs, or never answers."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from vhb_inference_agent.backends.base import BackendAdapter, BackendCapabilities
from vhb_inference_agent.backends.probe import NoReply, get
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_inference_agent.opened import OpenedBackend
from vhb_inference_agent.restarts import Deaths, RestartPolicy
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.process import ProcessEnvironment

SERVE = """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("weights are loaded", flush=True)
partial = pathlib.Path(sys.argv[1] + ".tmp"); partial.write_text(str(server.server_port)); partial.replace(sys.argv[1])
"""
FOREVER = SERVE + "server.serve_forever()\n"
MODEL = ModelEntry(name="stand-in", backend="small", packages=())
QUICK = RestartPolicy(deaths=3, first_delay_s=0.01)


class SmallBackend(BackendAdapter):
    """Runs a few lines of Python."""

    name: ClassVar[str] = "small"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(environments=("process",))

    def __init__(self, code: str = FOREVER, ready_timeout_s: float = 20) -> None:
        self._code, self._timeout = code, ready_timeout_s

    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        return []

    def launch(self, model: ModelEntry) -> EnvironmentSpec | None:
        command = ("{python}", "-c", self._code, "{port_file}")
        return EnvironmentSpec(name="small", command=command, ready_timeout_s=self._timeout)

    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        return Endpoint(base_url=f"{address}/v1", model=model.served_model)

    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        return await answers(endpoint)


async def answers(endpoint: Endpoint) -> bool:
    try:
        return (await get(endpoint.base_url)).status == 200
    except NoReply:
        return False


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@pytest.fixture
def environment(directory: Path) -> ProcessEnvironment:
    return ProcessEnvironment(EnvironmentSettings(directory=directory, agent_id="agent-1"))


def pid_of(backend: OpenedBackend, directory: Path) -> int:
    assert backend.handle is not None
    pid: int = json.loads((directory / "run" / backend.handle.id / "child.json").read_text())["pid"]
    return pid


def running(directory: Path) -> list[str]:
    return [path.name for path in (directory / "run").glob("*")]


async def test_from_start_to_stop(environment: ProcessEnvironment, directory: Path) -> None:
    lines: list[str] = []
    async with OpenedBackend(SmallBackend(), MODEL, environment, on_progress=lines.append) as backend:
        assert await answers(backend.endpoint)
        assert backend.endpoint.model == "stand-in"
        assert await backend.logs() == ("weights are loaded",)
        manifest = backend.manifest()
        assert manifest["environment"] == "process"
        assert manifest["python"].startswith("3.")
        assert manifest["packages"] == {}
        assert manifest["restarts"] == 0
        json.dumps(manifest)
        endpoint = backend.endpoint
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 20
    assert not await answers(endpoint)
    assert running(directory) == []


async def test_a_killed_backend_comes_back_and_callers_share_the_restart(
    environment: ProcessEnvironment, directory: Path
) -> None:
    async with OpenedBackend(SmallBackend(), MODEL, environment) as backend:
        before = backend.endpoint
        os.kill(pid_of(backend, directory), signal.SIGKILL)
        results = await asyncio.gather(*(backend.after_connection_error() for _ in range(32)))
        assert results == [True] * 32
        assert backend.restarts == 1
        assert backend.endpoint != before
        assert await answers(backend.endpoint)
        # A request that broke with the old process and says so late.
        assert await backend.after_connection_error() is True
        assert backend.manifest()["restarts"] == 1
        assert len(running(directory)) == 1


async def test_it_comes_back_without_being_asked(environment: ProcessEnvironment, directory: Path) -> None:
    async with OpenedBackend(SmallBackend(), MODEL, environment) as backend:
        os.kill(pid_of(backend, directory), signal.SIGKILL)
        for _ in range(200):
            if backend.restarts:
                break
            await asyncio.sleep(0.05)
        assert await answers(backend.endpoint)


async def test_a_connection_error_of_a_living_backend_counts(environment: ProcessEnvironment) -> None:
    async with OpenedBackend(SmallBackend(), MODEL, environment) as backend:
        before = time.monotonic()
        assert await backend.after_connection_error() is False
        assert time.monotonic() - before < 10
        assert backend.restarts == 0


async def test_too_many_deaths_are_the_end(environment: ProcessEnvironment, directory: Path) -> None:
    async with OpenedBackend(SmallBackend(), MODEL, environment, policy=QUICK) as backend:
        for _ in range(2):
            os.kill(pid_of(backend, directory), signal.SIGKILL)
            assert await backend.after_connection_error()
        os.kill(pid_of(backend, directory), signal.SIGKILL)
        lost = await asyncio.wait_for(backend.wait_lost(), 20)
        assert lost.failure.kind == "backend_died"
        assert "3 deaths" in lost.failure.message
        assert "signal 9" in lost.failure.message
        assert lost.log_tail == ("weights are loaded",)
        with pytest.raises(BackendLost):
            await backend.after_connection_error()
    assert running(directory) == []


async def test_a_backend_that_dies_when_asked_again_and_again_is_given_up(environment: ProcessEnvironment) -> None:
    code = SERVE + "server.handle_request(); print('cannot bear it', flush=True); sys.exit(4)\n"
    async with OpenedBackend(SmallBackend(code), MODEL, environment, policy=QUICK) as backend:
        lost = await asyncio.wait_for(backend.wait_lost(), 10)
    assert "cannot bear it" in lost.failure.message
    assert "code 4" in lost.failure.message


async def test_an_exit_before_it_answered_is_final_and_quotes_the_last_words(
    environment: ProcessEnvironment, directory: Path
) -> None:
    code = "import sys; print('reading options'); sys.exit('no such option: fastt')"
    before = time.monotonic()
    with pytest.raises(BackendLost, match="no such option: fastt") as caught:
        async with OpenedBackend(SmallBackend(code), MODEL, environment):
            pass
    assert time.monotonic() - before < 20
    assert "code 1" in caught.value.failure.message
    assert set(caught.value.log_tail) == {"reading options", "no such option: fastt"}
    assert running(directory) == []


async def test_being_killed_while_it_loads_is_not_final(environment: ProcessEnvironment, tmp_path: Path) -> None:
    flag = tmp_path / "once"
    code = f"import os, pathlib\nflag = pathlib.Path({str(flag)!r})\n"
    code += "if not flag.exists():\n    flag.touch()\n    os.kill(os.getpid(), 9)\n" + FOREVER
    async with OpenedBackend(SmallBackend(code), MODEL, environment, policy=QUICK) as backend:
        assert await answers(backend.endpoint)


async def test_one_that_never_answers_is_given_up_in_time(environment: ProcessEnvironment, directory: Path) -> None:
    code = "import time; print('thinking', flush=True); time.sleep(600)"
    with pytest.raises(BackendLost, match=r"within 0\.5 s; its last words: thinking") as caught:
        async with OpenedBackend(SmallBackend(code, ready_timeout_s=0.5), MODEL, environment):
            pass
    assert caught.value.failure.kind == "backend_not_ready"
    assert running(directory) == []


async def test_cancelling_the_opening_leaves_nothing_running(environment: ProcessEnvironment, directory: Path) -> None:
    backend = OpenedBackend(SmallBackend("import time; time.sleep(600)"), MODEL, environment)
    opening = asyncio.create_task(backend.__aenter__())
    for _ in range(100):
        if backend.handle is not None:
            break
        await asyncio.sleep(0.02)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert running(directory) == []


async def test_the_loading_engines_words_are_progress(environment: ProcessEnvironment) -> None:
    lines: list[str] = []
    code = "import time; print('loading shard 1 of 9', flush=True); time.sleep(0.5)\n" + FOREVER
    async with OpenedBackend(SmallBackend(code), MODEL, environment, on_progress=lines.append):
        pass
    assert "loading shard 1 of 9" in lines


async def test_an_adapter_that_needs_an_environment_says_so() -> None:
    with pytest.raises(BackendLost, match="needs an environment"):
        async with OpenedBackend(SmallBackend(), MODEL, None):
            pass


def test_deaths_are_counted_within_the_window_with_growing_delays() -> None:
    now = 0.0
    deaths = Deaths(RestartPolicy(deaths=5, window_s=600, first_delay_s=0.5, longest_delay_s=1.5), lambda: now)
    assert [deaths.count() for _ in range(5)] == [0.0, 0.5, 1.0, 1.5, None]
    now = 601.0
    assert len(deaths) == 0
    assert deaths.count() == 0.0
