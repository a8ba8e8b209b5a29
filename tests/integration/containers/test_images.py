"""Which image runs: fetched or here, allowed or not, and the same one again when its tag has moved."""

import asyncio
from collections.abc import Iterator

import docker
import pytest
from container_kit import Build, Make, program, said, started

from vhb_shared.environments.base import EnvironmentFailed, EnvironmentSpec
from vhb_shared.environments.docker.environment import DockerEnvironment
from vhb_shared.testing.image_registry import ImageRegistry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WORD = "import pathlib; print(pathlib.Path('/word').read_text().strip())"


@pytest.fixture
def registry() -> Iterator[ImageRegistry]:
    with ImageRegistry() as server:
        yield server


@pytest.fixture
def forget(client: "docker.DockerClient") -> Iterator[list[str]]:
    """Names of images to remove afterwards."""
    names: list[str] = []
    yield names
    for name in names:
        try:
            client.images.remove(name, force=True)
        except docker.errors.APIError:
            continue


def remove(client: "docker.DockerClient", *names: str) -> None:
    for name in names:
        client.images.remove(name, force=True)


async def test_an_absent_image_is_not_fetched_where_that_is_forbidden(environment: DockerEnvironment) -> None:
    with pytest.raises(EnvironmentFailed, match="docker load") as caught:
        await environment.prepare(EnvironmentSpec(name="x", image="vhb-test-absent:1"), lambda _: None)
    assert "vhb-test-absent:1" in str(caught.value)
    assert "VHB_DOCKER_PULL=never" in str(caught.value)
    assert not caught.value.failure.retryable


async def test_only_allowed_images_are_run(make: Make, base_image: str) -> None:
    environment = make(allowed_images=("vhb-test-other", "ghcr.io/acme/*"))
    with pytest.raises(EnvironmentFailed, match="VHB_DOCKER_ALLOWED_IMAGES") as caught:
        await environment.prepare(program("print(1)", image=base_image), lambda _: None)
    assert base_image in str(caught.value)
    # What the agent's own settings name needs no leave.
    assert (await said(environment, program("print(1)"))) == ("1",)
    # An image that was resolved before is refused just the same.
    allowed = await make().prepare(program("print(1)", image=base_image), lambda _: None)
    with pytest.raises(EnvironmentFailed, match="VHB_DOCKER_ALLOWED_IMAGES"):
        await environment.prepare(allowed, lambda _: None)
    assert await make(allowed_images=("vhb-test-base",)).prepare(allowed, lambda _: None) == allowed


async def test_a_local_tag_that_moves_does_not_change_what_is_started_again(
    environment: DockerEnvironment, client: "docker.DockerClient", build: Build
) -> None:
    name = build("vhb-test-moving:1", "RUN echo first > /word")
    first = await environment.prepare(program(WORD, image=name), lambda _: None)
    assert first.resolved is not None
    assert first.resolved.id.startswith("sha256:")
    assert first.resolved.digest is None
    build("vhb-test-kept:1", "RUN echo first > /word")  # keeps the content when its tag has moved
    build("vhb-test-moving:1", "RUN echo second > /word")
    assert await environment.prepare(first, lambda _: None) == first
    assert await said(environment, first) == ("first",)
    assert await said(environment, program(WORD, image=name)) == ("second",)
    assert (await environment.installed(first)).image == first.resolved
    remove(client, "vhb-test-kept:1")


async def test_an_image_is_fetched_with_progress_pinned_by_digest_and_fetched_again_by_it(
    make: Make, client: "docker.DockerClient", build: Build, registry: ImageRegistry, forget: list[str]
) -> None:
    environment = make(pull="missing")
    name = f"{registry.address}/acme/server:v1"
    forget.append(name)
    local = build("vhb-test-published:1", "RUN echo first > /word")
    digest = await asyncio.to_thread(registry.publish, local, "acme/server", "v1")
    lines: list[str] = []
    first = await environment.prepare(program(WORD, image=name), lines.append)
    assert lines[0] == f"pulling {name}"
    assert lines[-1] == f"{name} is pulled"
    assert first.resolved is not None
    assert first.resolved.digest == f"{registry.address}/acme/server@{digest}"
    asked = len(registry.asked)
    assert await environment.prepare(first, lambda _: None) == first
    assert len(registry.asked) == asked

    # The tag moves, and the first image is gone from the host.
    other = build("vhb-test-published:2", "RUN echo second > /word")
    await asyncio.to_thread(registry.publish, other, "acme/server", "v1")
    assert await said(make(pull="always"), program(WORD, image=name)) == ("second",)
    remove(client, name, f"{registry.address}/acme/server@{digest}", local)
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get(first.resolved.id)
    assert await environment.prepare(first, lambda _: None) == first
    assert await said(environment, first) == ("first",)
    forget.append(first.resolved.digest)


async def test_what_was_never_in_a_registry_cannot_come_back(
    make: Make, client: "docker.DockerClient", build: Build
) -> None:
    environment = make(pull="missing")
    name = build("vhb-test-lost:1", "RUN echo lost > /word")
    spec = await environment.prepare(program(WORD, image=name), lambda _: None)
    remove(client, name)
    with pytest.raises(EnvironmentFailed, match=r"was never in a registry.*docker load"):
        await environment.prepare(spec, lambda _: None)


async def test_why_an_image_cannot_be_fetched(make: Make, registry: ImageRegistry) -> None:
    environment = make(pull="missing")

    async def why(name: str) -> EnvironmentFailed:
        with pytest.raises(EnvironmentFailed) as caught:
            await environment.prepare(EnvironmentSpec(name="x", image=name), lambda _: None)
        assert name in str(caught.value)
        return caught.value

    unknown = await why(f"{registry.address}/acme/nothing:v1")
    assert not unknown.failure.retryable
    assert "check its name" in str(unknown)
    registry.failing = 503
    broken = await why(f"{registry.address}/acme/server:v1")
    assert broken.failure.retryable
    away = await why("127.0.0.1:9/acme/server:v1")
    assert away.failure.retryable
    assert "check the network" in str(away)
    wrong = await why("Not An Image")
    assert not wrong.failure.retryable


async def test_an_images_own_command_and_port_are_used_where_the_spec_has_none(
    environment: DockerEnvironment, build: Build
) -> None:
    image = build(
        "vhb-test-serving:1",
        'ENTRYPOINT ["python3", "-m", "http.server"]',
        'CMD ["8123", "--bind", "0.0.0.0"]',
        "EXPOSE 8123",
        "USER 1234:1234",
    )
    handle = await started(environment, EnvironmentSpec(name="own", image=image))
    assert handle.state["port"] == "8123"
    assert await environment.address(handle) is not None
    await environment.stop(handle)
    # A command replaces the entry point too; the image's user stays.
    spec = program("import os; print('mine', os.getuid())", image=image)
    assert await said(environment, spec) == ("mine 1234",)


async def test_an_image_that_says_not_what_to_run_is_refused(environment: DockerEnvironment, build: Build) -> None:
    image = build("vhb-test-mute:1", "CMD []", "ENTRYPOINT []")
    with pytest.raises(EnvironmentFailed, match="give the entry a `command`"):
        await started(environment, EnvironmentSpec(name="mute", image=image))


async def test_an_image_without_python_can_be_described(environment: DockerEnvironment, build: Build) -> None:
    image = build("vhb-test-bare:1", "RUN rm -f /usr/bin/python3*")
    spec = EnvironmentSpec(name="bare", image=image, command=("sleep", "600"))
    found = await environment.installed(await environment.prepare(spec, lambda _: None))
    assert (found.python, found.packages) == (None, {})
    assert found.image is not None
    assert found.runtime is not None
    assert found.runtime.startswith("docker ")
