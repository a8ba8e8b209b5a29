"""Named entries: built in, in folders, beside the job; what a job's entry means beside them."""

from pathlib import Path

import pytest

from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import plugin_names
from vhb_shared.registry.registry import Registry
from vhb_shared.settings import RegistrySettings

NONE = RegistrySettings(registry_dirs=())


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def test_built_in_entries_are_complete() -> None:
    registry = Registry.load(settings=NONE)
    backends = plugin_names("backends")
    assert {"rapidocr", "tesseract", "echo", "qwen3-vl-8b"} <= registry.models.keys()
    assert {"read-page"} <= registry.tasks.keys()
    for name, registered in registry.models.items():
        assert registered.entry.name == name
        assert registered.origin == "built in"
        assert registered.entry.backend in backends
        assert registered.entry.description


def test_built_in_tasks_use_metrics_that_exist() -> None:
    known = plugin_names("metrics")
    for registered in Registry.load(settings=NONE).tasks.values():
        assert {metric.name for metric in registered.entry.metrics} <= set(known)


def test_later_folders_override_earlier_ones(tmp_path: Path) -> None:
    write(tmp_path / "one" / "models" / "m.yaml", "- {name: m, backend: openai}\n- {name: only-one, backend: openai}\n")
    write(tmp_path / "two" / "models" / "m.yml", "name: m\nbackend: vllm\n")
    write(tmp_path / "job" / "registry" / "models" / "echo.json", '{"name": "echo", "backend": "mine"}')
    settings = RegistrySettings(registry_dirs=(tmp_path / "one", tmp_path / "two"))
    registry = Registry.load(tmp_path / "job", settings)
    assert registry.model("m").backend == "vllm"
    assert registry.model("only-one").backend == "openai"
    assert registry.model("echo").backend == "mine"
    assert registry.models["m"].origin.endswith("m.yml")


def test_files_beside_an_entry_are_found_from_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "r" / "tasks" / "t.yaml", "name: t\ndataset: ./data\nprompts: p.csv\n")
    write(tmp_path / "r" / "tasks" / "data" / "annotation.csv", "")
    write(tmp_path / "r" / "datasets" / "d.yaml", "name: d\nsource: hf://org/name\n")
    registry = Registry.load(settings=RegistrySettings(registry_dirs=(tmp_path / "r",)))
    task = registry.task("t")
    assert task.dataset == str(tmp_path / "r" / "tasks" / "data")
    assert task.prompts == "p.csv"
    assert registry.dataset("d").source == "hf://org/name"


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("models/m.yaml", "name: m\nbakend: ocr\n", "line 2, column 1: unknown key 'bakend'; did you mean 'backend'?"),
        ("models/m.yaml", "- {name: m}\n- {name: m}\n", "line 2, column 3: model 'm' is already in"),
        ("tasks/t.yaml", "- {name: t}\n- {nam: u}\n", "line 2, column 3: [1] lacks the key 'name'"),
        ("datasets/d.yaml", "name: d\n", "lacks the key 'source'"),
        ("datasets/d.yaml", "", "is empty"),
    ],
)
def test_malformed_entries(tmp_path: Path, file: str, content: str, expected: str) -> None:
    write(tmp_path / file, content)
    with pytest.raises(UserError) as caught:
        _ = Registry.load(settings=RegistrySettings(registry_dirs=(tmp_path,))).models
    assert expected in str(caught.value)
    assert Path(file).name in str(caught.value)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="VHB_REGISTRY_DIRS"):
        _ = Registry.load(settings=RegistrySettings(registry_dirs=(tmp_path / "no",))).models
    assert Registry.load(tmp_path / "no", NONE).models


def test_unknown_names_are_helped() -> None:
    registry = Registry.load(settings=NONE)
    with pytest.raises(UserError, match=r"no model is named 'rapidocrr': did you mean 'rapidocr'\? `vhb models list`"):
        registry.model("rapidocrr")
    with pytest.raises(UserError, match=r"no task is named 'zzz': `vhb tasks list` lists what there is\."):
        registry.task("zzz")
    with pytest.raises(UserError, match="no data set is named"):
        registry.dataset("zzz")


def test_a_name_alone_is_the_registrys_entry(tmp_path: Path) -> None:
    write(
        tmp_path / "models" / "m.yaml",
        "name: m\nbackend: vllm\nengine_args: {a: 1, b: 2}\ngeneration: {max_tokens: 5, extra: {x: 1}}\nreplicas: 3\n",
    )
    registry = Registry.load(settings=RegistrySettings(registry_dirs=(tmp_path,)))
    assert registry.resolve_model(ModelEntry(name="m")) == registry.model("m")
    changed = registry.resolve_model(
        ModelEntry.model_validate(
            {"name": "m", "engine_args": {"b": 3}, "generation": {"temperature": 1}, "stream": False}
        )
    )
    assert (changed.backend, changed.engine_args, changed.replicas, changed.stream) == (
        "vllm",
        {"a": 1, "b": 3},
        3,
        False,
    )
    assert (changed.generation.max_tokens, changed.generation.temperature) == (5, 1)
    assert registry.resolve_model(changed) == changed
    assert registry.resolve_model(ModelEntry(name="m", backend=None, image=None)) == registry.model("m")
    silent = registry.resolve_model(ModelEntry.model_validate({"name": "m", "generation": {"temperature": None}}))
    assert (silent.generation.temperature, silent.generation.max_tokens) == (None, 5)
    again = ModelEntry.model_validate_json(changed.model_dump_json())
    assert registry.resolve_model(again) == changed


def test_another_backend_stands_for_itself() -> None:
    registry = Registry.load(settings=NONE)
    entry = ModelEntry(name="tesseract", backend="openai", base_url="http://host/v1")
    assert registry.resolve_model(entry) == entry
    with pytest.raises(UserError, match="no model is named 'mine'"):
        registry.resolve_model(ModelEntry(name="mine"))


def test_a_registered_task_on_other_data() -> None:
    registry = Registry.load(settings=NONE)
    builtin = registry.task("read-page")
    on_data = registry.resolve_task(TaskEntry(name="read-page", dataset="./d", limit=3))
    assert (on_data.dataset, on_data.limit, on_data.prompt, on_data.metrics) == (
        "./d", 3, builtin.prompt, builtin.metrics,
    )  # fmt: skip
    own = TaskEntry(name="read-page", dataset="./d", prompt="Mine.")
    assert registry.resolve_task(own) == own
    assert registry.resolve_task(on_data) == on_data
    with pytest.raises(UserError, match="name a `dataset` beside it"):
        registry.resolve_task(TaskEntry(name="read-page"))
    with pytest.raises(UserError, match="no task is named"):
        registry.resolve_task(TaskEntry(name="other"))
