"""A real vLLM (CPU build, tiny random model) behind the adapter, in the process environment."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from asking import PAGES, ask, vllm_entry  # isort: skip
from vhb_inference_agent.backends.probe import get
from vhb_inference_agent.backends.vllm import VERSION, VllmBackend
from vhb_inference_agent.endpoint import BackendLost
from vhb_inference_agent.opened import OpenedBackend
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSettings
from vhb_shared.environments.process import ProcessEnvironment
from vhb_shared.testing.real_vllm import SERVE_ARGS, RealVllm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]

FORM = (PAGES / "form_1_clean.png").read_bytes()
# A model of random weights would write white space for ever.
COMPACT = {"structured-outputs-config": {"backend": "xgrammar", "disable_any_whitespace": True}}


class Desk:
    """A started backend and what it said while it started."""

    def __init__(self, real_vllm: RealVllm, tiny_vlm: Path, directory: Path) -> None:
        self.directory = directory
        self.lines: list[str] = []
        self.entry = vllm_entry(real_vllm, tiny_vlm, engine_args={**SERVE_ARGS, **COMPACT})
        environment = ProcessEnvironment(EnvironmentSettings(directory=directory, agent_id="agent-1"))
        self.backend = OpenedBackend(VllmBackend(), self.entry, environment, on_progress=self.lines.append)

    def pid(self) -> int:
        assert self.backend.handle is not None
        child = self.directory / "run" / self.backend.handle.id / "child.json"
        return int(json.loads(child.read_text())["pid"])

    async def answer(self, image: bytes) -> str:
        status, body = await ask(self.backend, image)
        assert status == 200, body
        return str(body["choices"][0]["message"]["content"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(real_vllm: RealVllm, tiny_vlm: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    made = Desk(real_vllm, tiny_vlm, tmp_path_factory.mktemp("agent"))
    async with made.backend:
        yield made


async def test_while_it_loads_its_own_words_are_the_progress(desk: Desk) -> None:
    said = "\n".join(desk.lines)
    assert "vLLM" in said or "vllm" in said
    assert len(desk.lines) > 3


async def test_answers_depend_on_the_picture_and_are_counted(desk: Desk) -> None:
    status, body = await ask(desk.backend, FORM)
    assert status == 200
    usage = body["usage"]
    assert usage["completion_tokens"] == 12
    assert usage["prompt_tokens"] > 50  # the picture alone is that many
    pictures = [path.read_bytes() for path in sorted(PAGES.glob("*_clean.png"))]
    once = await asyncio.gather(*(desk.answer(picture) for picture in pictures))
    again = await asyncio.gather(*(desk.answer(picture) for picture in pictures))
    assert once == again
    assert len(set(once)) > 1


async def test_a_schema_is_kept(desk: Desk) -> None:
    schema = {
        "type": "object",
        "properties": {"label": {"enum": ["form", "letter"]}, "pages": {"enum": [1, 2]}},
        "required": ["label", "pages"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    status, body = await ask(desk.backend, FORM, response_format=wanted, max_tokens=60)
    assert status == 200, body
    answer = json.loads(body["choices"][0]["message"]["content"])
    assert answer["label"] in ("form", "letter")
    assert answer["pages"] in (1, 2)


async def test_what_cannot_be_answered_is_refused_for_good(desk: Desk) -> None:
    assert (await ask(desk.backend, b"no picture"))[0] == 400
    assert (await ask(desk.backend, FORM, model="another"))[0] == 404


async def test_it_offers_metrics_and_its_version(desk: Desk) -> None:
    root = desk.backend.endpoint.base_url.removesuffix("/v1")
    assert "vllm:num_requests_running" in (await get(f"{root}/metrics")).text
    assert (await get(f"{root}/version")).json() == {"version": VERSION}


async def test_killed_while_it_answers_it_comes_back_and_answers_the_same(desk: Desk) -> None:
    before = await desk.answer(FORM)
    asking = [asyncio.create_task(ask(desk.backend, FORM, max_tokens=1500, ignore_eos=True)) for _ in range(4)]
    await asyncio.sleep(0.5)
    os.kill(desk.pid(), signal.SIGKILL)
    broken = await asyncio.gather(*asking, return_exceptions=True)
    assert any(isinstance(result, BaseException) for result in broken)
    assert await desk.backend.after_connection_error() is True
    assert desk.backend.restarts == 1
    assert await desk.answer(FORM) == before


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"engine_args": {**SERVE_ARGS, "max-modle-len": 5}}, "bad_argument", "--max-modle-len"),
        ({"engine_args": {**SERVE_ARGS, "max-model-len": 99999}}, "bad_argument", "more than the model's 4096"),
        ({"model": "nobody/has-this-model"}, "model_missing", "not in the cache"),
    ],
)
async def test_why_it_does_not_start_is_said_plainly(
    real_vllm: RealVllm, tiny_vlm: Path, tmp_path: Path, changes: dict[str, object], kind: str, said: str
) -> None:
    environment = ProcessEnvironment(EnvironmentSettings(directory=tmp_path, agent_id="agent-1"))
    model = vllm_entry(real_vllm, **{"model": tiny_vlm, **changes})  # type: ignore[arg-type]
    with pytest.raises(BackendLost) as caught:
        async with OpenedBackend(VllmBackend(), model, environment):
            pass
    assert caught.value.failure.kind == kind
    assert said in caught.value.failure.message


async def test_a_folder_that_is_not_there_is_said_without_starting_anything(tmp_path: Path) -> None:
    model = ModelEntry(name="tiny", backend="vllm", model=str(tmp_path / "nothing"))
    with pytest.raises(BackendLost, match="no folder"):
        VllmBackend().launch(model)
