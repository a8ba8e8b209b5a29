"""The same vLLM in a container: the adapter's image, shared memory, mounts and address are the real ones."""

from pathlib import Path

import pytest

from asking import PAGES, ask  # isort: skip
from vhb_inference_agent.backends.vllm import VERSION, VllmBackend
from vhb_inference_agent.opened import OpenedBackend
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSettings
from vhb_shared.environments.registry import environment_type
from vhb_shared.testing.real_vllm import SERVE_ARGS, SERVE_ENV

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


async def test_it_answers_from_its_image(
    vllm_image: str, tiny_vlm: Path, docker_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VHB_AGENT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("VHB_AGENT_ENVIRONMENTS", str(tmp_path / "environments"))
    model = ModelEntry.model_validate(
        {
            "name": "tiny",
            "backend": "vllm",
            "image": vllm_image,
            "model": str(tiny_vlm),
            "env": SERVE_ENV,
            "engine_args": SERVE_ARGS,
            "resources": {"memory_gib": 8, "shm_gib": 1},
        }
    )
    assert VllmBackend().validate(model) == []
    monkeypatch.setenv("VHB_DOCKER_NETWORK", docker_network)
    environment = environment_type("docker")(EnvironmentSettings(directory=tmp_path, agent_id=docker_network))
    lines: list[str] = []
    async with OpenedBackend(VllmBackend(), model, environment, on_progress=lines.append) as backend:
        image = (PAGES / "form_1_clean.png").read_bytes()
        status, body = await ask(backend, image)
        assert status == 200, body
        assert body["usage"]["completion_tokens"] == 12
        manifest = backend.manifest()
    assert manifest["engine_version"] == VERSION
    assert manifest["image_id"].startswith("sha256:")
    assert "model.safetensors" in manifest["weights"]["files"]
    assert any("vllm" in line.lower() for line in lines)
