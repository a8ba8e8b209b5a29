"""What a container may do and see."""

import asyncio
import json
import os
from pathlib import Path

import docker
import psutil
import pytest
from container_kit import Make, program, said, started, until

from vhb_shared.contracts.job import Mount
from vhb_shared.environments.base import EnvironmentFailed
from vhb_shared.environments.docker.environment import DockerEnvironment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ABOUT = """
import json, os, pathlib, resource
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
status = dict(line.split(":\\t") for line in lines if ":\\t" in line)
shm = os.statvfs("/dev/shm")
found = {key: status[key] for key in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")}
found["shm"] = shm.f_blocks * shm.f_frsize
found["home"] = os.environ.get("HOME")
for folder in ("/", "/usr", "/tmp", "/mounted", "/given"):
    try:
        pathlib.Path(folder, "written").write_text("x")
        found[folder] = "written"
    except OSError as error:
        found[folder] = error.strerror
print(json.dumps(found))
"""


async def test_it_has_no_rights_and_sees_only_its_mounts(environment: DockerEnvironment, tmp_path: Path) -> None:
    readable, writable = tmp_path / "readable", tmp_path / "writable"
    for folder in (readable, writable):
        folder.mkdir(mode=0o755)
        os.chown(folder, 65534, 65534)
    spec = program(
        ABOUT,
        read_only_root=True,
        shm_bytes=96 << 20,
        mounts=(
            Mount(source=str(readable), target="/mounted"),
            Mount(source=str(writable), target="/given", read_only=False),
        ),
    )
    found = json.loads((await said(environment, spec))[-1])
    assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 1 << 1  # DAC_OVERRIDE, for the writable mount
    assert found["NoNewPrivs"] == "1"
    assert found["shm"] == 96 << 20
    assert found["home"] == "/tmp"
    assert found["/"] == found["/usr"] == found["/mounted"] == "Read-only file system"
    assert found["/tmp"] == found["/given"] == "written"
    assert (writable / "written").exists()
    plain = json.loads((await said(environment, program(ABOUT)))[-1])
    assert int(plain["CapEff"], 16) == int(plain["CapBnd"], 16) == int(plain["CapPrm"], 16) == 0
    assert plain["/"] == "written"
    assert plain["/given"] == "No such file or directory"


async def test_secrets_are_on_no_command_line_and_in_no_file_of_ours(
    environment: DockerEnvironment, client: "docker.DockerClient", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hush-hush-1234")
    code = "import os, time; print('has', len(os.environ['HF_TOKEN']), flush=True); time.sleep(600)"
    handle = await started(environment, program(code, pass_env=("HF_TOKEN", "NOT_SET")))
    try:
        seen = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
        assert any("HF_TOKEN" in line and "time.sleep(600)" in line for line in seen)
        assert not any("hush-hush" in line for line in seen)
        attributes = client.containers.get(handle.state["container"]).attrs
        config = attributes["Config"]
        assert config["Env"].count("HF_TOKEN=hush-hush-1234") == 1
        config.pop("Env")
        assert "hush-hush" not in json.dumps(attributes)
        assert not any(word.startswith("NOT_SET") for word in config)
        assert "hush-hush" not in handle.model_dump_json()
        assert not any("hush-hush" in line for line in await environment.logs(handle))
        written = await asyncio.to_thread(lambda: [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()])
        assert not any(b"hush-hush" in content for content in written)
    finally:
        await environment.stop(handle)


async def test_without_a_lease_no_device_is_asked_for(
    environment: DockerEnvironment, client: "docker.DockerClient"
) -> None:
    code = "import os, time; print(os.environ['NVIDIA_VISIBLE_DEVICES'], flush=True)"
    assert await said(environment, program(code, env={"NVIDIA_VISIBLE_DEVICES": "all"})) == ("void",)


async def test_an_engine_without_nvidia_says_what_to_install_and_leaves_nothing(
    environment: DockerEnvironment, client: "docker.DockerClient", docker_network: str
) -> None:
    if "nvidia" in client.info()["Runtimes"]:
        pytest.fail("this engine has the NVIDIA runtime: the test needs one without")
    before = {container.id for container in client.containers.list(all=True, ignore_removed=True)}
    with pytest.raises(EnvironmentFailed, match="NVIDIA Container Toolkit") as caught:
        await started(environment, program("print(1)", devices=("GPU-1234",)))
    assert "GPU-1234" in str(caught.value)
    assert not caught.value.failure.retryable
    left = {each for each in client.containers.list(all=True, ignore_removed=True) if each.id not in before}
    assert not [each for each in left if each.labels.get("vhb.environment.agent") == docker_network]


async def test_bounds_are_set_and_felt(environment: DockerEnvironment, client: "docker.DockerClient") -> None:
    code = (
        "import subprocess, time\n"
        "children = []\n"
        "try:\n"
        "    while len(children) < 100:\n"
        "        children.append(subprocess.Popen(['sleep', '600']))\n"
        "except OSError as error:\n"
        "    print('refused after', len(children) < 40, flush=True)\n"
        "time.sleep(600)\n"
    )
    spec = program(code, cpus=0.5, memory_bytes=256 << 20, pids=40)
    handle = await started(environment, spec)
    try:
        config = client.containers.get(handle.state["container"]).attrs["HostConfig"]
        assert config["NanoCpus"] == 500_000_000
        assert config["Memory"] == config["MemorySwap"] == 256 << 20
        assert config["PidsLimit"] == 40
        assert config["Init"] is True

        async def lines() -> tuple[str, ...]:
            return await environment.logs(handle)

        assert await until(lines) == ("refused after True",)
    finally:
        await environment.stop(handle, 0)


async def test_a_container_without_bounds_still_has_one_on_processes(make: Make, client: "docker.DockerClient") -> None:
    environment = make(pids=123)
    handle = await started(environment, program("import time; time.sleep(600)"))
    config = client.containers.get(handle.state["container"]).attrs["HostConfig"]
    await environment.stop(handle)
    assert config["PidsLimit"] == 123
    assert not config["Ulimits"]


async def test_a_mount_that_does_not_exist_is_named(environment: DockerEnvironment, tmp_path: Path) -> None:
    spec = program("print(1)", mounts=(Mount(source=str(tmp_path / "nowhere"), target="/x"),))
    with pytest.raises(EnvironmentFailed, match="nowhere"):
        await started(environment, spec)
