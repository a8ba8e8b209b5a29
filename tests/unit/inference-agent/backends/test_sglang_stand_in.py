"""The SGLang adapter with a stand-in that has SGLang's command line and its ways of answering."""

import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from vhb_inference_agent.backends.probe import get
from vhb_inference_agent.backends.sglang import SglangBackend
from vhb_inference_agent.endpoint import BackendLost
from vhb_inference_agent.opened import OpenedBackend
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSettings
from vhb_shared.environments.process import ProcessEnvironment


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VHB_AGENT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("VHB_AGENT_ENVIRONMENTS", str(tmp_path / "environments"))


def opened(directory: Path, **engine_args: Any) -> OpenedBackend:
    model = ModelEntry(
        name="reader",
        backend="sglang",
        model="org/model",
        environment="process",
        command=(sys.executable, "-m", "vhb_shared.testing.sglang_stand_in"),
        engine_args=engine_args,
    )
    environment = ProcessEnvironment(EnvironmentSettings(directory=directory, agent_id="agent-1"))
    return OpenedBackend(SglangBackend(), model, environment)


async def test_it_is_ready_when_it_can_make_a_token_and_offers_metrics(tmp_path: Path) -> None:
    async with opened(tmp_path, **{"context-length": 8192, "disable_radix_cache": True}) as backend:
        root = backend.endpoint.base_url.removesuffix("/v1")
        assert (await get(f"{root}/health_generate")).status == 200
        assert "sglang:num_running_reqs" in (await get(f"{root}/metrics")).text
        assert backend.manifest()["engine_version"] == "0.5.22"
        asked = {"model": backend.endpoint.model, "messages": [{"role": "user", "content": "hello"}]}
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{root}/v1/chat/completions", json=asked) as response:
                assert response.status == 200
            async with session.post(f"{root}/v1/chat/completions", json={"model": "x"}) as response:
                assert (response.status, (await response.json())["object"]) == (400, "error")


async def test_an_option_of_another_engine_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendLost) as caught:
        async with opened(tmp_path, **{"max-model-len": 8192}):
            pass
    assert caught.value.failure.kind == "bad_argument"
    assert "--max-model-len 8192" in caught.value.failure.message
