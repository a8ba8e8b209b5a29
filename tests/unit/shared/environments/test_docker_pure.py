"""The docker environment's rules that need no engine."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vhb_shared.contracts.job import Mount
from vhb_shared.environments.base import EnvironmentFailed, EnvironmentSpec, Exit
from vhb_shared.environments.docker.containers import command_of, mounts_of, options_of, port_of, program_paths
from vhb_shared.environments.docker.ending import exit_of
from vhb_shared.environments.docker.images import Layers
from vhb_shared.environments.docker.settings import DockerSettings
from vhb_shared.environments.references import is_allowed, split_reference
from vhb_shared.errors import UserError

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("python", ("python", None, None)),
        ("host:5000/a/b", ("host:5000/a/b", None, None)),
        ("host:5000/a/b:v1", ("host:5000/a/b", "v1", None)),
        (f"a/b:v1@{DIGEST}", ("a/b", "v1", DIGEST)),
        (f"a/b@{DIGEST}", ("a/b", None, DIGEST)),
    ],
)
def test_a_reference_is_taken_apart(name: str, parts: tuple[str, str | None, str | None]) -> None:
    assert split_reference(name) == parts


@pytest.mark.parametrize(
    ("name", "pattern", "allowed"),
    [
        ("vllm/vllm-openai:v1", "*", True),
        ("vllm/vllm-openai:v1", "vllm/*", True),
        ("docker.io/vllm/vllm-openai:v1", "vllm/*", True),
        ("python:3.12", "docker.io/library/python", True),
        ("python", "python:latest", True),
        ("python:3.12", "python:3.11", False),
        ("python:3.12", "python:3.*", True),
        ("python-evil:3.12", "python", False),
        ("evil/vllm/vllm-openai", "vllm/*", False),
        ("evil.example/vllm/x", "vllm/*", False),
        (f"vllm/x@{DIGEST}", "vllm/x", True),
        (f"vllm/x@{DIGEST}", f"vllm/x@{DIGEST}", True),
        (f"vllm/x@{DIGEST[:-1]}b", f"vllm/x@{DIGEST}", False),
        (f"vllm/x:v1@{DIGEST}", "vllm/x:v2", False),
        (DIGEST, "vllm/*", False),
        ("c6f3c759d16c", "vllm/*", False),
        ("ghcr.io/acme/server:1", "ghcr.io/acme/*", True),
        ("ghcr.io/acme/server:1", "*/acme/*", True),
    ],
)
def test_patterns_allow_what_they_name_and_nothing_else(name: str, pattern: str, allowed: bool) -> None:
    assert is_allowed(name, (pattern,)) is allowed
    assert not is_allowed(name, ())


def options(spec: EnvironmentSpec, image: dict[str, Any] | None = None, **settings: object) -> dict[str, Any]:
    return options_of(
        spec,
        image_id="sha256:1",
        image=image or {},
        settings=DockerSettings.model_validate(settings),
        labels={"a": "b"},
        publish=True,
        log_bytes=1 << 20,
        environ={"TOKEN": "hush", "OTHER": "x"},
    )


@given(
    st.builds(
        EnvironmentSpec,
        name=st.just("x"),
        command=st.just(("{python}", "-c", "1")),
        env=st.dictionaries(st.sampled_from(["NVIDIA_VISIBLE_DEVICES", "HOME", "A"]), st.text(max_size=5)),
        pass_env=st.lists(st.sampled_from(["TOKEN", "ABSENT"]), unique=True).map(tuple),
        devices=st.lists(st.sampled_from(["GPU-1", "GPU-2"]), unique=True).map(tuple),
        memory_bytes=st.none() | st.integers(1, 1 << 40),
        cpus=st.none() | st.floats(0.01, 64),
        pids=st.none() | st.integers(1, 1000),
        read_only_root=st.booleans(),
    )
)
@settings(deadline=None)
def test_whatever_is_asked_rights_and_devices_stay_what_they_are(spec: EnvironmentSpec) -> None:
    given_ = options(spec)
    assert given_["cap_drop"] == ["ALL"]
    assert "cap_add" not in given_
    assert given_["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "ulimits", "devices", "pid_mode", "ipc_mode", "network_mode"} & set(given_)
    assert given_["pids_limit"] > 0
    assert given_.get("mem_limit") == given_.get("memswap_limit") == spec.memory_bytes
    assert given_["environment"]["NVIDIA_VISIBLE_DEVICES"] == (",".join(spec.devices) or "void")
    requested = [each["DeviceIDs"] for each in given_.get("device_requests", ())]
    assert requested == ([list(spec.devices)] if spec.devices else [])
    assert not any("hush" in word for word in (*given_["entrypoint"], *given_["command"], *given_["labels"].values()))
    assert ("TOKEN" in given_["environment"]) is ("TOKEN" in spec.pass_env)
    assert "OTHER" not in given_["environment"]
    assert given_.get("read_only", False) is spec.read_only_root


def test_the_images_own_command_port_and_user() -> None:
    image = {"Entrypoint": ["serve"], "Cmd": ["--fast"], "ExposedPorts": {"9000/tcp": {}}, "User": "7:7"}
    own = EnvironmentSpec(name="x", image="i")
    assert command_of(own, image) == (["serve"], ["--fast"])
    assert port_of(own, image) == 9000
    assert port_of(own, {**image, "ExposedPorts": {"9000/tcp": {}, "9001/tcp": {}}}) == 8000
    assert port_of(own.model_copy(update={"port": 7000}), image) == 7000
    assert options(own, image)["user"] == "7:7"
    ours = EnvironmentSpec(name="x", command=("engine", "--port", "{port}", "{{braces}}"))
    assert command_of(ours, image) == (["engine"], ["--port", "8000", "{{braces}}"])
    assert port_of(ours, image) == 8000
    assert program_paths(ours, {"Env": ["PATH=/a:/b"]}) == ["/a/engine", "/b/engine"]
    assert program_paths(ours.model_copy(update={"command": ("bin/x",)}), {"WorkingDir": "/app"}) == ["/app/bin/x"]
    with pytest.raises(EnvironmentFailed, match="`command`"):
        command_of(own, {})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("data", "absolute path"),
        ("/etc", "VHB_DOCKER_ALLOWED_MOUNTS"),
        ("/srv/../etc", "VHB_DOCKER_ALLOWED_MOUNTS"),
    ],
)
def test_mounts_that_may_not_be(source: str, said: str) -> None:
    spec = EnvironmentSpec(name="x", mounts=(Mount(source=source, target="/x"),))
    with pytest.raises(EnvironmentFailed, match=said):
        mounts_of(spec, DockerSettings(allowed_mounts=(Path("/srv"),)))


@pytest.mark.parametrize("source", ["/", "/var/run", "/run/docker.sock", "/run/containerd/x"])
def test_nothing_that_leads_to_the_engine_is_mounted(source: str) -> None:
    spec = EnvironmentSpec(name="x", mounts=(Mount(source=source, target="/x"),))
    with pytest.raises(EnvironmentFailed, match="container engine"):
        mounts_of(spec, DockerSettings())


def test_a_link_to_elsewhere_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link").symlink_to("/etc")
    spec = EnvironmentSpec(name="x", mounts=(Mount(source=str(tmp_path / "allowed" / "link"), target="/x"),))
    with pytest.raises(EnvironmentFailed, match="VHB_DOCKER_ALLOWED_MOUNTS"):
        mounts_of(spec, DockerSettings(allowed_mounts=(tmp_path / "allowed",)))


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ({"Running": True}, None),
        ({"Running": False, "Status": "created"}, None),
        ({"Running": False, "ExitCode": 0, "OOMKilled": True}, Exit(code=0)),
        ({"Running": False, "ExitCode": 3}, Exit(code=3)),
        ({"Running": False, "ExitCode": 1, "OOMKilled": True}, Exit(code=1, out_of_memory=True)),
        ({"Running": False, "ExitCode": 137}, Exit(signal=9)),
        ({"Running": False, "ExitCode": 137, "OOMKilled": True}, Exit(signal=9, out_of_memory=True)),
        ({"Running": False, "ExitCode": 143}, Exit(signal=15)),
        ({"Running": False, "ExitCode": 255}, Exit(code=255)),
    ],
)
def test_how_it_ended(state: dict[str, Any], ended: Exit | None) -> None:
    assert exit_of(state) == ended


def test_progress_sums_up_layers() -> None:
    layers = Layers()
    for line in (
        {"status": "Pulling from acme/server", "id": "v1"},
        {"status": "Already exists", "id": "a"},
        {"status": "Pulling fs layer", "id": "b"},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 500_000_000, "total": 2_000_000_000}},
        {"status": "Downloading", "id": "c", "progressDetail": {"current": 1_000_000_000, "total": 1_000_000_000}},
        {"status": "Download complete", "id": "c"},
        {"status": "Digest: sha256:1"},
    ):
        layers.take(line)
    assert layers.words == "1 of 3 layers, 1.5 of 3.0 GB"


def test_settings_are_read_and_their_mistakes_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VHB_DOCKER_ALLOWED_IMAGES", "vllm/*, ghcr.io/acme/*")
    monkeypatch.setenv("VHB_DOCKER_ALLOWED_MOUNTS", "/srv/a:/srv/b")
    found = DockerSettings.from_environment()
    assert found.allowed_images == ("vllm/*", "ghcr.io/acme/*")
    assert found.allowed_mounts == (Path("/srv/a"), Path("/srv/b"))
    monkeypatch.setenv("VHB_DOCKER_PULL", "sometimes")
    with pytest.raises(UserError, match=r"VHB_DOCKER_PULL: .*'never'"):
        DockerSettings.from_environment()
