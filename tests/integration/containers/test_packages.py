"""Packages on top of an image: from a folder of wheels without any network, built once, nothing half-built left."""

import asyncio
import json
from pathlib import Path

import docker
import pytest
from container_kit import Build, Make, program, said

from vhb_shared.environments.base import EnvironmentFailed, EnvironmentSpec
from vhb_shared.environments.docker import owners
from vhb_shared.testing.wheels import make_wheel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

IMPORTS = "import vhb_extra; print(vhb_extra.WORD)"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Wheels that differ from test to test: an image is found again by the names of its packages."""
    (folder := tmp_path / "wheels").mkdir()
    return folder


def unique(wheels: Path, name: str, requires: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Requirements no other test has: the version is this test's own folder."""
    version = f"1.{abs(hash(str(wheels))) % 10**9}"
    make_wheel(wheels, name, version, f"WORD = {str(wheels)!r}\n", requires)
    return (f"{name}=={version}",)


async def test_packages_come_from_the_folder_and_the_image_is_found_again(
    make: Make, wheels: Path, client: "docker.DockerClient"
) -> None:
    make_wheel(wheels, "vhb_needed")
    spec = program(IMPORTS, packages=unique(wheels, "vhb_extra", ("vhb_needed",)))
    lines: list[str] = []
    environment = make(wheels=wheels)
    spec = await environment.prepare(spec, lines.append)
    assert lines[0].startswith("building the image of test")
    assert lines[-1] == "the image of test is built"
    assert await said(environment, spec) == (str(wheels),)
    installed = await environment.installed(spec)
    assert {"vhb_extra", "vhb_needed"} <= set(installed.packages)
    assert installed.image == spec.resolved
    assert installed.built_image is not None
    # Another agent, without the folder and without any network.
    again: list[str] = []
    other = make(agent_id="other")
    assert await said(other, await other.prepare(spec, again.append)) == (str(wheels),)
    assert not again
    labels = client.images.get(installed.built_image).labels
    assert spec.resolved is not None
    assert labels["vhb.derived.base"] == spec.resolved.id
    assert json.loads(labels["vhb.derived.packages"]) == list(spec.packages)


async def test_packages_join_those_of_the_image_and_a_lock_stands_alone(make: Make, wheels: Path, build: Build) -> None:
    image = build(
        "vhb-test-engine:1",
        "RUN mkdir -p /usr/local/lib/python3.11/dist-packages && "
        "echo 'WORD = 1' > /usr/local/lib/python3.11/dist-packages/vhb_own.py",
    )
    environment = make(wheels=wheels)
    code = "import vhb_extra\ntry:\n    import vhb_own; print('sees it')\nexcept ImportError: print('sees it not')"
    packages = unique(wheels, "vhb_extra")
    spec = await environment.prepare(program(code, packages=packages, image=image), lambda _: None)
    assert await said(environment, spec) == ("sees it",)
    spec = await environment.prepare(program(code, packages=packages, image=image, lock="# none\n"), lambda _: None)
    assert await said(environment, spec) == ("sees it not",)


async def test_a_wheel_that_is_missing_is_named(
    make: Make, wheels: Path, client: "docker.DockerClient", docker_network: str
) -> None:
    environment = make(wheels=wheels)
    spec = program(IMPORTS, packages=unique(wheels, "vhb_extra", ("vhb_absent",)))
    with pytest.raises(EnvironmentFailed, match=r"vhb.absent.*VHB_AGENT_WHEELS") as caught:
        await environment.prepare(spec, lambda _: None)
    assert not caught.value.failure.retryable
    assert caught.value.log_tail
    filters = {"label": f"{owners.LABEL_AGENT}={docker_network}"}
    assert not client.containers.list(all=True, filters=filters)


async def test_an_image_without_python_cannot_have_packages(make: Make, wheels: Path, build: Build) -> None:
    image = build("vhb-test-bare:2", "RUN rm -f /usr/bin/python3*")
    with pytest.raises(EnvironmentFailed, match="python3"):
        await make(wheels=wheels).prepare(
            EnvironmentSpec(name="bare", image=image, packages=unique(wheels, "vhb_extra")), lambda _: None
        )


async def test_two_agents_build_one_image_once(make: Make, wheels: Path) -> None:
    spec = program(IMPORTS, packages=unique(wheels, "vhb_extra"))
    one, two, same = make(wheels=wheels), make(wheels=wheels), make(wheels=wheels)
    lines: list[str] = []
    specs = await asyncio.gather(*(each.prepare(spec, lines.append) for each in (one, two, same, one)))
    assert specs[0] == specs[1] == specs[2] == specs[3]
    assert sum(line.startswith("building") for line in lines) == 1
    assert any(line.startswith("waiting for another process") for line in lines)
    assert await said(two, specs[1]) == (str(wheels),)


async def test_what_a_dead_agent_left_half_built_is_taken_over(
    make: Make, wheels: Path, client: "docker.DockerClient", base_image: str
) -> None:
    environment = make(wheels=wheels)
    spec = program(IMPORTS, packages=unique(wheels, "vhb_extra"))
    building = asyncio.create_task(environment.prepare(spec, lambda _: None))

    def builders() -> list[str]:
        every = client.containers.list(all=True, ignore_removed=True)
        return [str(each.name) for each in every if str(each.name).startswith("vhb-build-")]

    while not (names := await asyncio.to_thread(builders)):
        await asyncio.sleep(0.02)
        assert not building.done()
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)
    assert not await asyncio.to_thread(builders)

    mark = f"process {owners._namespace()} 4194301 1"
    labels = {owners.LABEL_ENVIRONMENT: "docker", owners.LABEL_ID: "build-x", owners.LABEL_OWNER: mark}
    left = client.containers.create(base_image, command=["sleep", "600"], name=names[0], labels=labels)
    spec = await environment.prepare(spec, lambda _: None)
    assert await said(environment, spec) == (str(wheels),)
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(left.id)


async def test_the_password_of_a_package_index_stays_out_of_the_image(
    make: Make, tmp_path: Path, client: "docker.DockerClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://somebody:hush-hush@127.0.0.1:9/simple")
    (package := tmp_path / "vhb_here").mkdir()
    (package / "__init__.py").write_text(f"WHERE = {str(tmp_path)!r}\n")
    spec = program("import vhb_here; print(vhb_here.WHERE)", local_packages=(package,), lock="# none\n")
    environment = make()
    spec = await environment.prepare(spec, lambda _: None)
    image = client.images.get((await environment.installed(spec)).built_image or "")
    assert "hush-hush" not in json.dumps([image.attrs, image.history()])
    look = "import pathlib\nfound = [p for p in pathlib.Path('/vhb').rglob('*')]\nprint(sorted(map(str, found)))"
    assert await said(environment, spec.model_copy(update={"command": ("python3", "-c", look)})) == (
        "['/vhb/cache', '/vhb/work']",
    )
