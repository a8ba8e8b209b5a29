"""A place far away, as a pod that is rented by the second: no files in common, a late address, a stalling provider."""

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from vhb_inference_agent import leftovers as later
from vhb_inference_agent import placed
from vhb_inference_agent.backends.vllm import VllmBackend
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_inference_agent.leftovers import Leftovers
from vhb_inference_agent.opened import OpenedBackend
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import (
    Capabilities,
    EnvironmentFailed,
    EnvironmentHandle,
    EnvironmentSettings,
    EnvironmentSpec,
    Progress,
)
from vhb_shared.environments.process import ProcessEnvironment

LOOKS_WITHOUT_ADDRESS = 3
SERVER = (
    "import http.server, sys\n"
    "class Handler(http.server.SimpleHTTPRequestHandler):\n"
    "    def log_message(self, *_): pass\n"
    "http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()\n"
)


class FarPlace(ProcessEnvironment):
    """Its programs are processes of this host; its ways are those of a provider."""

    name: ClassVar[str] = "far"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_images=True, gpus=True, asynchronous_start=True, costs_money=True
    )

    def __init__(self, settings: EnvironmentSettings, stalls: int = 0) -> None:
        super().__init__(settings)
        self.stalls = stalls
        self.specs: list[EnvironmentSpec] = []
        self._looked = 0

    async def prepare(self, spec: EnvironmentSpec, on_progress: Progress) -> EnvironmentSpec:
        self.specs.append(spec)
        command = ("{python}", "-c", SERVER, "{host}", "{port}")
        return await super().prepare(spec.model_copy(update={"command": command}), on_progress)

    async def address(self, handle: EnvironmentHandle) -> str | None:
        self._looked += 1
        return None if self._looked <= LOOKS_WITHOUT_ADDRESS else await super().address(handle)

    async def stop(self, handle: EnvironmentHandle, grace_s: float = 3.0) -> None:
        if self.stalls > 0:
            self.stalls -= 1
            raise EnvironmentFailed(Failure(kind="environment_failed", message="The provider does not answer."))
        await super().stop(handle, grace_s)


class OnceUp(VllmBackend):
    """vLLM's own spec; what answers is a stand-in."""

    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        return True

    async def engine_version(self, endpoint: Endpoint) -> str | None:
        return None


@pytest.fixture(autouse=True)
def _own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VHB_AGENT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(placed, "_STOP_PAUSE_S", 0.001)
    monkeypatch.setattr(later, "FIRST_PAUSE_S", 0.01)


def far(tmp_path: Path, stalls: int = 0) -> FarPlace:
    return FarPlace(EnvironmentSettings(directory=tmp_path / "agent", agent_id="agent-1"), stalls)


async def test_an_engine_starts_without_the_hosts_cache_and_answers_when_it_has_an_address(tmp_path: Path) -> None:
    place = far(tmp_path)
    model = ModelEntry(name="m", backend="vllm", environment="far", model="acme/model", env={"A": "1"})
    async with OpenedBackend(OnceUp(), model, place) as backend:
        assert backend.endpoint.base_url.startswith("http://127.0.0.1:")
    (spec,) = place.specs
    assert spec.mounts == () and spec.image is not None and spec.env["A"] == "1"


async def test_what_needs_the_hosts_files_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    model = ModelEntry(name="m", backend="vllm", environment="far", model=str(tmp_path / "model"))
    place = far(tmp_path)
    with pytest.raises(BackendLost, match=r"needs .*/model of the agent's host, and environment far shares no files"):
        async with OpenedBackend(OnceUp(), model, place):
            pass
    assert place.specs == [], "nothing was started"


async def test_what_cannot_be_ended_in_time_is_ended_later(tmp_path: Path) -> None:
    place = far(tmp_path, stalls=placed._STOP_TRIES + 3)
    forgotten: list[str] = []

    class Files:
        async def save(self, handle: EnvironmentHandle, *_: object) -> None:
            pass

        async def drop(self, handle: EnvironmentHandle | None = None) -> None:
            assert handle is not None
            forgotten.append(handle.id)

    model = ModelEntry(name="m", backend="vllm", environment="far", model="acme/model")
    async with Leftovers() as leftovers:
        async with OpenedBackend(OnceUp(), model, place, keep=Files(), leftovers=leftovers) as backend:
            handle = backend.handle
            assert handle is not None
        assert len(leftovers) == 1 and await place.exit_state(handle) is None, "it still runs, and nobody waits for it"
        assert forgotten == []
        await asyncio.wait_for(place.wait_exit(handle), 20)
        for _ in range(1000):  # its file goes right after it
            if forgotten:
                break
            await asyncio.sleep(0.01)
        assert len(leftovers) == 0
    assert await place.exit_state(handle) is not None
    assert forgotten == [handle.id]
