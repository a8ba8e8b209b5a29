from pathlib import Path

import aiohttp
import pytest

from vhb_inference_agent.backends import ocr
from vhb_inference_agent.backends.ocr import OcrBackend
from vhb_inference_agent.endpoint import BackendLost
from vhb_inference_agent.opened import OpenedBackend
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSettings
from vhb_shared.environments.process import ProcessEnvironment


def entry(**changes: object) -> ModelEntry:
    return ModelEntry.model_validate({"name": "reader", "backend": "ocr", "model": "rapidocr", **changes})


def test_a_good_entry_has_no_problems() -> None:
    assert OcrBackend().validate(entry(engine_args={"workers": 2, "max_side": 640}, packages=["numpy==2.4"])) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "rapidoccr"}, "did you mean 'rapidocr'"),
        ({"base_url": "http://h/v1"}, "use `backend: openai`"),
        ({"image": "x"}, "`image` has no meaning in environment process"),
        ({"image": "X Y", "environment": "docker"}, "is no image"),
        ({"command": ["x"]}, "no use for `command`"),
        ({"command": ["run"]}, "`command`"),
        ({"env": {"API_KEY": "x"}}, "pass_env: [API_KEY]"),
        ({"mounts": [{"source": "/a", "target": "/a"}]}, "`mounts` have no meaning"),
        ({"api_key_env": "KEY"}, "`api_key_env`"),
        ({"environment": "nowhere"}, "use process or docker"),
        ({"packages": ["--index-url=http://evil"]}, "is not a requirement"),
        ({"engine_args": {"workers": 0}}, "whole number above 0"),
        ({"engine_args": {"max_pending": "many"}}, "whole number above 0"),
    ],
)
def test_mistakes_are_sentences(changes: dict[str, object], said: str) -> None:
    (problem,) = OcrBackend().validate(entry(**changes))
    assert said in problem
    assert problem.startswith("Model reader: ")
    assert problem.endswith((".", "?"))


def test_in_a_container_the_entrys_image_is_the_base() -> None:
    model = entry(environment="docker", image="python:3.12-slim")
    assert OcrBackend().validate(model) == []
    spec = OcrBackend().launch(model)
    assert spec is not None
    assert spec.image == "python:3.12-slim"
    assert spec.lock
    assert [package.name for package in spec.local_packages] == ["vhb_api_wrapper"]


def test_an_engine_of_another_package_is_allowed_with_that_package() -> None:
    model = entry(model="theirs", packages=["their-adapter==1.0"])
    assert OcrBackend().validate(model) == []
    spec = OcrBackend().launch(model)
    assert spec is not None
    assert "uvicorn==" in spec.lock


def test_the_command_carries_the_engines_options() -> None:
    model = entry(engine_args={"workers": 3, "max_side": 640, "lang": "en", "fast": True, "max_megapixels": 9})
    spec = OcrBackend().launch(model)
    assert spec is not None
    words = " ".join(spec.command)
    assert "--adapter rapidocr --served-model-name rapidocr" in words
    assert "--workers 3" in words
    assert "--max-megapixels 9" in words
    options = [word for flag, word in zip(spec.command, spec.command[1:], strict=False) if flag == "--option"]
    assert options == ["fast=true", "lang=en", "max_side=640"]
    assert "rapidocr==" in spec.lock
    assert "--hash=sha256:" in spec.lock
    (package,) = spec.local_packages
    assert package.name == "vhb_api_wrapper"
    assert (package / "__main__.py").is_file()


def test_more_requests_than_workers_are_kept_in_flight_only_as_needed() -> None:
    endpoint = OcrBackend().endpoint(entry(engine_args={"workers": 5}), "http://127.0.0.1:1", {})
    assert endpoint.base_url == "http://127.0.0.1:1/v1"
    assert endpoint.default_concurrency == 5


def test_an_agent_without_the_wrapper_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_wrapper_folder", lambda: None)
    assert OcrBackend().validate(entry(model="anything")) == []
    with pytest.raises(BackendLost, match="vhb-api-wrapper"):
        OcrBackend().launch(entry())


def test_the_wrapper_is_found_without_importing_it() -> None:
    folder = ocr._wrapper_folder()
    assert folder is not None
    assert (folder / "locks" / "rapidocr.lock").is_file()
    assert isinstance(folder, Path)


async def test_the_wrapper_serves_from_an_environment_of_its_own(tmp_path: Path) -> None:
    environment = ProcessEnvironment(EnvironmentSettings(directory=tmp_path, agent_id="agent-1"))
    model = entry(name="parrot", model="echo")
    async with OpenedBackend(OcrBackend(), model, environment) as backend:
        url = f"{backend.endpoint.base_url}/chat/completions"
        question = {"model": backend.endpoint.model, "messages": [{"role": "user", "content": "how are you"}]}
        async with aiohttp.ClientSession() as session, session.post(url, json=question) as response:
            assert response.status == 200
            assert (await response.json())["choices"][0]["message"]["content"]
        packages = backend.manifest()["packages"]
    assert f"uvicorn=={packages['uvicorn']}" in (ocr._wrapper_folder() / "locks" / "echo.lock").read_text()  # type: ignore[operator]
    assert "openai" not in packages
