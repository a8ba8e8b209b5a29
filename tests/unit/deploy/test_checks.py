"""`vhb doctor` on what a deployment needs."""

import shutil
from pathlib import Path

import pytest

from vhb.deployment import checks
from vhb.deployment.write import Wishes, write_deployment


def _of(directory: Path) -> dict[str, tuple[bool, str]]:
    return {what: (ok, detail) for what, ok, detail in checks.checks(directory)}


def test_without_an_engine_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = _of(tmp_path)
    assert not found["container engine"][0] and "none answers" in found["container engine"][1]
    assert not found["compose"][0] and "deployments need one" in found["compose"][1]
    assert not found["deployment"][0]


def test_a_deployment_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    shutil.copy(Path(__file__).parents[3] / "compose.yaml", tmp_path)
    assert "vhb init" in _of(tmp_path)["deployment"][1]
    write_deployment(tmp_path, Wishes())
    assert _of(tmp_path)["deployment"][0]
    secret = tmp_path / "secrets" / "s3" / "agent.secret_key"
    secret.chmod(0o644)
    ok, detail = _of(tmp_path)["deployment"]
    assert not ok and str(secret) in detail and secret.read_text() not in detail


@pytest.mark.parametrize(
    ("info", "there"),
    [
        ({"ServerVersion": "29.0", "OperatingSystem": "Debian", "Runtimes": {"runc": {}}}, False),
        ({"ServerVersion": "29.0", "OperatingSystem": "Debian", "Runtimes": {"runc": {}, "nvidia": {}}}, True),
        ({"Runtimes": None, "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}, True),
    ],
)
def test_the_nvidia_runtime_is_what_the_engine_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, info: dict[str, object], there: bool
) -> None:
    monkeypatch.setattr(checks, "_engine", lambda: info)
    assert _of(tmp_path)["NVIDIA runtime"][0] is there
