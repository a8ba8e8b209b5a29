"""What environment.json says of weights, software, data and devices."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from vhb_inference_agent import weights
from vhb_inference_agent.backends.engine import EngineAdapter
from vhb_inference_agent.manifest import describe, for_run
from vhb_inference_agent.software import software
from vhb_inference_agent.weights import describe_weights
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.contracts.state import Device
from vhb_shared.environments.base import EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.process import ProcessEnvironment

COMMIT = "c" * 40
ETAG = "e" * 64


def folder_model(folder: Path) -> ModelEntry:
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("not a weight")
    return ModelEntry(name="mine", backend="vllm", model=str(folder))


def test_a_folder_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, known = folder_model(tmp_path / "model"), tmp_path / "cache" / "known.json"
    first = describe_weights(model, tmp_path, known)
    assert set(first["files"]) == {"model.safetensors", "config.json"}
    assert first["files"]["model.safetensors"] == {"sha256": hashlib.sha256(b"weights").hexdigest(), "bytes": 7}

    def no_reading(path: Path) -> str:
        raise AssertionError(f"{path} was read again")

    with monkeypatch.context() as patch:
        patch.setattr(weights, "_sha256", no_reading)
        assert describe_weights(model, tmp_path, known) == first
    changed = tmp_path / "model" / "model.safetensors"
    changed.write_bytes(b"WEIGHTS")
    os.utime(changed, ns=(1, 1))
    again = describe_weights(model, tmp_path, known)
    assert again["files"]["model.safetensors"]["sha256"] == hashlib.sha256(b"WEIGHTS").hexdigest()


def test_a_snapshot_of_the_hub_is_named_by_its_commit_and_etags(tmp_path: Path) -> None:
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / ETAG).write_bytes(b"weights")
    (snapshot / "model.safetensors").symlink_to(f"../../blobs/{ETAG}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    found = describe_weights(ModelEntry(name="m", model="org/name"), tmp_path, tmp_path / "k")
    assert found == {"commit": COMMIT, "files": {"model.safetensors": {"etag": ETAG, "bytes": 7}}}
    pinned = ModelEntry(name="m", model="org/name", revision=COMMIT)
    assert describe_weights(pinned, tmp_path, tmp_path / "k") == found


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"model": "org/other"}, "does not hold org/other"),
        ({"model": "org/name", "revision": "v9"}, "which commit 'v9'"),
        ({"model": "/no/such/folder"}, "cannot be read"),
    ],
)
def test_what_is_not_known_is_said_with_the_reason(tmp_path: Path, entry: dict[str, str], said: str) -> None:
    (tmp_path / "models--org--name").mkdir()
    found = describe_weights(ModelEntry.model_validate({"name": "m", **entry}), tmp_path, tmp_path / "k")
    assert said in found["unknown"]


def test_too_much_is_not_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MOST_BYTES", 5)
    found = describe_weights(folder_model(tmp_path / "model"), tmp_path, tmp_path / "k")
    assert "too much to hash" in found["unknown"]


def test_unreadable_memory_of_hashes_costs_time_only(tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    known.write_text("[not json")
    assert "files" in describe_weights(folder_model(tmp_path / "model"), tmp_path, known)
    assert json.loads(known.read_text())


def test_software_names_the_commit_of_a_checkout() -> None:
    said = software()
    assert said["version"]
    assert said["commit"] is None or len(str(said["commit"])) == 40


@pytest.mark.parametrize(("built", "commit", "changed"), [(COMMIT, COMMIT, False), (f"{COMMIT}-dirty", COMMIT, True)])
def test_software_in_an_image_names_the_commit_it_was_built_from(
    monkeypatch: pytest.MonkeyPatch, built: str, commit: str, changed: bool
) -> None:
    monkeypatch.setenv("VHB_COMMIT", built)
    said = software.__wrapped__()
    assert (said["commit"], said["changed"]) == (commit, changed)


class Small(EngineAdapter):
    """Runs nothing."""

    name: ClassVar[str] = "small"

    def own_arguments(self, model: ModelEntry) -> list[str]:
        return []


async def test_all_of_it_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VHB_AGENT_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setenv("VHB_AGENT_WEIGHTS", str(tmp_path))
    environment = ProcessEnvironment(EnvironmentSettings(directory=tmp_path / "agent", agent_id="a"))
    env: Mapping[str, str] = {"A": "1"}
    asked = EnvironmentSpec(name="small", command=("run",), env=dict(env), pass_env=("HF_TOKEN",))
    spec = await environment.prepare(asked, lambda _: None)
    device = Device(uuid="GPU-1", index=0, name="Card", memory_gib=24, driver="580.1")
    model = folder_model(tmp_path / "model").model_copy(update={"backend": "small"})
    monkeypatch.setenv("HF_TOKEN", "hf-do-not-tell")
    manifest = await describe(Small(), model, environment, spec, None, [device])
    run = RunSpec(
        job_id="j-1", run_id="j-1-r", name="mine__task", model=model, task=TaskEntry(name="task"),
        dataset=DatasetRef(digest="d" * 64, name="pages", source="./pages", samples=3), samples=3, shard_size=64,
        shards=1, backend_id="b", stages=("inference",), results_run_id="j-1-r",
    )  # fmt: skip
    text = json.dumps(for_run(manifest, run))
    assert "hf-do-not-tell" not in text
    said = json.loads(text)
    assert said["dataset"] == {"name": "pages", "digest": "d" * 64, "samples": 3}
    assert said["devices"][0]["driver"] == "580.1"
    assert said["weights"]["files"]["model.safetensors"]["bytes"] == 7
    assert (said["env"], said["pass_env"]) == ({"A": "1"}, ["HF_TOKEN"])
    assert said["agent"]["version"]
