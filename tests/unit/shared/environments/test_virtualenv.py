import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest
import uv

from vhb_shared.environments import virtualenv
from vhb_shared.environments.base import EnvironmentFailed
from vhb_shared.environments.virtualenv import VirtualenvRecipe, build, installed_packages, python_of
from vhb_shared.testing.wheels import make_wheel

REQUIREMENTS = Path(__file__).parents[4] / "requirements.lock"


def quiet(_: str) -> None:
    pass


def locked(package: str) -> str:
    """A package's lines of the project's own lock file."""
    found = re.search(rf"^{package}==.*?(?=^\S|\Z)", REQUIREMENTS.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "little"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("WORD = 'first'\n")
    (folder / "data.txt").write_text("data")
    return folder


def recipe(lock: str = "", packages: tuple[str, ...] = (), local: tuple[Path, ...] = ()) -> VirtualenvRecipe:
    return VirtualenvRecipe("test", lock, packages, local)


def said(folder: Path, code: str) -> str:
    return subprocess.run([python_of(folder), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


async def test_lock_packages_and_local_packages_are_installed(tmp_path: Path, package: Path) -> None:
    lines: list[str] = []
    folder = await build(recipe(locked("idna"), ("sniffio==1.3.1",), (package,)), tmp_path / "e", lines.append)
    version = locked("idna").split()[0].removeprefix("idna==")
    assert await asyncio.to_thread(installed_packages, folder) == {"idna": version, "sniffio": "1.3.1"}
    assert said(folder, "import idna, sniffio, little; print(little.WORD)") == "first"
    assert lines[0].startswith("building the environment of test")
    assert any(line.startswith("Installed") for line in lines)


async def test_a_package_with_the_wrong_hash_is_refused(tmp_path: Path) -> None:
    lock = f"{locked('idna').split()[0]} --hash=sha256:{'0' * 64}\n"
    with pytest.raises(EnvironmentFailed, match="could not be built") as caught:
        await build(recipe(lock), tmp_path, quiet)
    assert "Hash mismatch" in str(caught.value)
    assert not caught.value.failure.retryable
    assert caught.value.log_tail


async def test_a_package_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="idna") as caught:
        await build(recipe(packages=("idna==0.0.77",)), tmp_path, quiet)
    assert not caught.value.failure.retryable
    assert "`packages`" in str(caught.value)


async def test_without_a_network_it_says_so_and_the_failure_can_be_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    lines: list[str] = []
    with pytest.raises(EnvironmentFailed, match="check the network") as caught:
        await build(recipe(locked("idna")), tmp_path, lines.append)
    assert caught.value.failure.retryable
    assert any("trying what uv has cached" in line for line in lines)


async def test_once_built_neither_network_nor_uv_is_needed(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await build(recipe(local=(package,)), tmp_path, quiet)

    def forbidden() -> str:
        raise AssertionError("uv was called")

    monkeypatch.setattr(uv, "find_uv_bin", forbidden)
    lines: list[str] = []
    assert await build(recipe(local=(package,)), tmp_path, lines.append) == first
    assert not lines


async def test_a_half_built_environment_is_built_again(tmp_path: Path, package: Path) -> None:
    folder = await build(recipe(local=(package,)), tmp_path, quiet)
    (folder / ".complete").unlink()
    (folder / "rubbish").write_text("left by the dead")
    lines: list[str] = []
    assert await build(recipe(local=(package,)), tmp_path, lines.append) == folder
    assert lines
    assert not (folder / "rubbish").exists()
    assert said(folder, "import little; print(little.WORD)") == "first"


async def test_two_agents_build_one_environment_once(tmp_path: Path, package: Path) -> None:
    lines: list[str] = []
    one, two = await asyncio.gather(*(build(recipe(local=(package,)), tmp_path, lines.append) for _ in range(2)))
    assert one == two
    assert sum(line.startswith("building") for line in lines) == 1
    assert any(line.startswith("waiting for another process") for line in lines)


async def test_cancelling_a_build_frees_the_lock(tmp_path: Path, package: Path) -> None:
    building = asyncio.create_task(build(recipe(local=(package,)), tmp_path, quiet))
    await asyncio.sleep(0.1)
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)
    folder = await asyncio.wait_for(build(recipe(local=(package,)), tmp_path, quiet), 30)
    assert virtualenv.is_complete(folder)


def test_the_key_follows_the_content(package: Path) -> None:
    base = recipe("a==1", ("x", "y"), (package,)).key()
    assert recipe("a==1", ("y", "x"), (package,)).key() == base
    assert recipe("a==2", ("x", "y"), (package,)).key() != base
    assert recipe("a==1", ("x",), (package,)).key() != base
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "junk.pyc").write_bytes(b"1")
    assert recipe("a==1", ("x", "y"), (package,)).key() == base
    (package / "data.txt").write_text("other")
    assert recipe("a==1", ("x", "y"), (package,)).key() != base


async def test_with_a_folder_of_wheels_nothing_else_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    (wheels := tmp_path / "wheels").mkdir()
    make_wheel(wheels, "vhb_prepared", "2.5", "WORD = 'offline'\n", requires=("vhb_needed>=1",))
    prepared = recipe(packages=("vhb_prepared",))
    with pytest.raises(EnvironmentFailed, match=r"vhb.needed.*VHB_AGENT_WHEELS") as caught:
        await build(prepared, tmp_path / "e", quiet, wheels)
    assert not caught.value.failure.retryable
    make_wheel(wheels, "vhb_needed")
    folder = await build(prepared, tmp_path / "e", quiet, wheels)
    assert await asyncio.to_thread(installed_packages, folder) == {"vhb_needed": "1.0", "vhb_prepared": "2.5"}
    assert said(folder, "import vhb_prepared; print(vhb_prepared.WORD)") == "offline"


async def test_a_folder_of_wheels_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"VHB_AGENT_WHEELS .*names .*/nowhere"):
        await build(recipe(), tmp_path / "e", quiet, tmp_path / "nowhere")
