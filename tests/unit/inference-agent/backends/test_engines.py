"""Command lines, mistakes in entries and request options of the engines; no engine is started."""

from pathlib import Path
from typing import Any

import pytest

from vhb_inference_agent.backends.arguments import command_words
from vhb_inference_agent.backends.registry import backend_adapter
from vhb_inference_agent.endpoint import BackendLost
from vhb_shared.asking.questions import request_parameters
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSpec

ENGINES = ("vllm", "sglang", "transformers")


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    monkeypatch.setenv("VHB_AGENT_WEIGHTS", str(folder))
    return folder


def entry(backend: str, **changes: Any) -> ModelEntry:
    base: dict[str, Any] = {"name": "mine", "backend": backend, "model": "org/model", "resources": {"gpus": 1}}
    if backend == "image":
        base |= {"image": "their/server:1.0"}
    return ModelEntry.model_validate(base | changes)


def launched(backend: str, **changes: Any) -> EnvironmentSpec:
    spec = backend_adapter(backend).launch(entry(backend, **changes))
    assert spec is not None
    return spec


def words(backend: str, **changes: Any) -> str:
    return " ".join(launched(backend, **changes).command)


def test_vllm_is_started_from_its_official_image(weights: Path) -> None:
    args = {"max_model_len": 8192, "limit-mm-per-prompt": {"image": 4}, "enforce-eager": True, "dtype": None}
    spec = launched("vllm", revision="abc", engine_args=args | {"enable-prefix-caching": False})
    assert spec.image == "vllm/vllm-openai:v0.32.0"
    assert spec.command == (
        *("vllm", "serve", "org/model", "--host", "{host}", "--port", "{port}", "--served-model-name", "org/model"),
        *("--revision", "abc", "--no-enable-prefix-caching", "--enforce-eager"),
        *("--limit-mm-per-prompt", '{"image": 4}', "--max-model-len", "8192"),
    )
    assert spec.shm_bytes == 4 << 30
    assert spec.packages == ()
    assert spec.ready_timeout_s == 3600
    (cache,) = spec.mounts
    assert (cache.source, cache.target, cache.read_only) == (f"{weights}/hub", "/vhb/huggingface/hub", False)
    assert spec.env["HF_HOME"] == "/vhb/huggingface"
    assert "HF_TOKEN" not in spec.pass_env


def test_several_gpus_are_used_together_unless_the_entry_says_otherwise() -> None:
    spec = launched("vllm", resources={"gpus": 4})
    assert spec.command[-2:] == ("--tensor-parallel-size", "4")
    assert spec.shm_bytes == 16 << 30
    split = words("vllm", resources={"gpus": 4}, engine_args={"pipeline-parallel-size": 2, "tensor-parallel-size": 2})
    assert split.count("parallel-size") == 2
    assert "--tp-size 2" in words("sglang", resources={"gpus": 2})
    assert "--tp-size" not in words("sglang", resources={"gpus": 2}, engine_args={"dp-size": 2})


def test_sglang_speaks_its_own_options() -> None:
    spec = launched("sglang", revision="abc", engine_args={"context-length": 8192, "disable-radix-cache": False})
    assert spec.image == "lmsysorg/sglang:v0.5.22"
    assert spec.command == (
        *("python3", "-m", "sglang.launch_server", "--model-path", "org/model", "--served-model-name", "org/model"),
        *("--host", "{host}", "--port", "{port}", "--revision", "abc", "--enable-metrics", "--context-length", "8192"),
    )
    assert "--enable-metrics" not in words("sglang", engine_args={"enable-metrics": False})


def test_transformers_is_installed_from_its_lock() -> None:
    spec = launched("transformers", revision="abc", resources={}, packages=["torchvision==0.28.0"])
    assert spec.image is None
    assert spec.command[:4] == ("{python}", "-m", "transformers.cli.transformers", "serve")
    assert " ".join(spec.command[4:]) == "org/model@abc --host {host} --port {port} --device cpu"
    assert "transformers==" in spec.lock
    assert "--hash=sha256:" in spec.lock
    assert "://" not in spec.lock
    assert spec.packages == ("torch==2.13.0", "torchvision==0.28.0")
    assert "--device auto" in words("transformers")
    endpoint = backend_adapter("transformers").endpoint(entry("transformers", revision="abc"), "http://h:1", {})
    assert (endpoint.base_url, endpoint.model, endpoint.default_concurrency) == ("http://h:1/v1", "org/model@abc", 2)
    batched = entry("transformers", engine_args={"continuous-batching": True})
    assert backend_adapter("transformers").endpoint(batched, "http://h:1", {}).default_concurrency == 16


def test_transformers_in_a_container_is_put_on_a_plain_python() -> None:
    spec = launched("transformers", environment="docker")
    assert spec.image is None  # the environment's own base image
    assert "transformers==" in spec.lock
    own = launched("transformers", environment="docker", image="my/transformers:1")
    assert (own.image, own.lock, own.packages) == ("my/transformers:1", "", ())


@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_in_a_process_the_engine_is_installed_or_the_hosts_own_is_used(backend: str, weights: Path) -> None:
    spec = launched(backend, environment="process", packages=["qwen-vl-utils"])
    assert spec.packages[0].startswith(f"{backend}==")
    assert spec.packages[1:] == ("qwen-vl-utils",)
    assert (spec.image, spec.mounts, spec.shm_bytes) == (None, (), None)
    assert spec.env["HF_HOME"] == str(weights)
    own = launched(backend, environment="process", command=["/opt/engine/bin/start", "serve"])
    assert own.command[:2] == ("/opt/engine/bin/start", "serve")
    assert own.packages == ()


def test_a_folder_of_weights_is_mounted_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    spec = launched("vllm", model=str(folder))
    assert [(mount.source, mount.target, mount.read_only) for mount in spec.mounts[1:]] == [
        (str(folder), str(folder), True)
    ]
    assert launched("vllm", model=str(folder), environment="process").mounts == ()
    with pytest.raises(BackendLost, match="has no folder"):
        launched("vllm", model=str(tmp_path / "nothing"))


def test_any_image_runs_its_own_command_or_the_entrys() -> None:
    spec = launched("image", engine_args={"port": 8080})
    assert (spec.image, spec.command, spec.port) == ("their/server:1.0", (), 8080)
    spec = launched("image", command=["serve", "--port={port}", "--model", "{model}"])
    assert (spec.command, spec.port) == (("serve", "--port={port}", "--model", "org/model"), None)


def test_lists_become_words_and_mappings_json() -> None:
    arguments = {"names": ["a", "b"], "nested": [{"a": 1}], "text": "x y", "number": 0.5, "nothing": None, "off": False}
    assert command_words(arguments, "left out") == [
        *("--names", "a", "b", "--nested", '[{"a": 1}]', "--number", "0.5", "--text", "x y")
    ]
    assert command_words({"off": False}, "no-flag") == ["--no-off"]


@pytest.mark.parametrize("backend", [*ENGINES, "image"])
def test_a_good_entry_has_no_problems(backend: str) -> None:
    model = entry(backend, env={"TOKENIZERS_PARALLELISM": "false"}, pass_env=["HF_TOKEN"])
    assert backend_adapter(backend).validate(model) == []
    assert backend_adapter(backend).validate(model, {"HF_TOKEN": "x"}) == []


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": "http://h/v1"}, "use `backend: openai`"),
        ({"api_key_env": "KEY"}, "`api_key_env` has no meaning"),
        ({"model": "./weights"}, "give its absolute path"),
        ({"model": "/weights", "revision": "main"}, "`revision` has no meaning"),
        ({"engine_args": {"--max-len": 1}}, "without dashes in front"),
        ({"engine_args": {"port": 1}}, "the agent gives it a port"),
        ({"env": {"HF_TOKEN": "secret-words"}}, "pass_env: [HF_TOKEN]"),
        ({"env": {"A-B": "1"}}, "no variable's name"),
        ({"env": {"A": "1"}, "pass_env": ["A"]}, "keep one"),
        ({"pass_env": ["UNSET_VARIABLE"]}, "is not set where the agent runs"),
        ({"environment": "docker", "image": "Not An Image"}, "is no image"),
        ({"environment": "process", "image": "a/b:1"}, "`image` has no meaning"),
        ({"environment": "process", "mounts": [{"source": "/a", "target": "/a"}]}, "`mounts` have no meaning"),
        ({"environment": "docker", "mounts": [{"source": "a", "target": "/a"}]}, "must be an absolute path"),
        ({"environment": "docker", "mounts": [{"source": "/a", "target": "/"}]}, "a `target` of its own"),
        ({"environment": "apptainer"}, "cannot run in environment"),
        ({"command": [""]}, "an empty word"),
        ({"packages": ["--index-url=http://evil"]}, "is not a requirement"),
    ],
)
def test_mistakes_are_sentences(backend: str, changes: dict[str, Any], said: str) -> None:
    (problem,) = backend_adapter(backend).validate(entry(backend, **changes), {"A": "1"})
    assert said in problem
    assert "secret-words" not in problem
    assert problem.startswith("Model mine: ")
    assert problem.endswith(".")


@pytest.mark.parametrize(
    ("backend", "changes", "said"),
    [
        ("vllm", {"resources": {}}, "needs a GPU"),
        ("vllm", {"engine_args": {"api-key": "x"}}, "does not belong on a command line"),
        ("vllm", {"engine_args": {"max-model-len": 1, "max_model_len": 2}}, "says max-model-len twice"),
        ("vllm", {"engine_args": {"tensor-parallel-size": 2}}, "needs 2 GPUs, but `resources` asks for 1"),
        ("vllm", {"engine_args": {"tensor-parallel-size": "two"}}, "must be a whole number"),
        ("sglang", {"resources": {}}, "needs a GPU"),
        ("sglang", {"engine_args": {"tp": 4}}, "needs 4 GPUs"),
        ("transformers", {"generation": {"stop": ["x"]}}, "cannot `stop`"),
        ("transformers", {"generation": {"extra": {"top_k": 1}}}, "`generation: extra: top_k`"),
        ("transformers", {"model": "org/model@abc"}, "as `revision`"),
        ("image", {"image": None}, "needs `image`"),
        ("image", {"engine_args": {"prot": 1}}, "did you mean 'port'"),
        ("image", {"engine_args": {"port": 70000}}, "a whole number"),
        ("image", {"engine_args": {"health-path": "health"}}, "a path like /health"),
        ("image", {"command": ["run"], "engine_args": {"port": 80}}, "by {port} in it"),
        ("image", {"revision": "x"}, "no use for `revision`"),
    ],
)
def test_mistakes_of_one_backend(backend: str, changes: dict[str, Any], said: str) -> None:
    (problem,) = backend_adapter(backend).validate(entry(backend, **changes))
    assert said in problem
    assert problem.endswith((".", "?"))


def test_requests_hold_what_the_engine_takes() -> None:
    generation = {"temperature": 0, "top_p": 0.9, "seed": 7, "max_tokens": 5}
    for backend in ENGINES:
        model = entry(backend, generation=generation)
        sent = backend_adapter(backend).request_options(model, request_parameters(model, None))
        assert (sent["temperature"], sent["seed"], sent["max_tokens"], sent["stream"]) == (0, 7, 5, True)
        assert ("stream_options" in sent) == (backend != "transformers")


def test_a_closed_schema_is_asked_for_strictly() -> None:
    open_schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed = open_schema | {"required": ["a"], "additionalProperties": False}
    nested = closed | {"properties": {"a": {"type": "array", "items": open_schema}}}

    def strict(schema: dict[str, Any]) -> bool:
        wanted = request_parameters(entry("vllm"), schema)["response_format"]
        assert wanted["json_schema"]["schema"] == schema
        return wanted["json_schema"].get("strict") is True

    assert [strict(open_schema), strict(closed), strict(nested)] == [False, True, False]
