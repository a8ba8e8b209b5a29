"""What tests with a real container engine share. Everything they make carries the session's name and is removed."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from container_kit import Build, Make

from vhb_shared.environments.base import EnvironmentSettings
from vhb_shared.environments.docker.environment import DockerEnvironment
from vhb_shared.environments.docker.settings import DockerSettings


@pytest.fixture
def make(base_image: str, docker_network: str, tmp_path: Path) -> Make:
    def made(agent_id: str | None = None, wheels: Path | None = None, **changes: object) -> DockerEnvironment:
        settings = EnvironmentSettings(directory=tmp_path, agent_id=agent_id or docker_network, wheels=wheels)
        given = {"base_image": base_image, "network": docker_network, "package_cache": docker_network, "pull": "never"}
        return DockerEnvironment(settings, DockerSettings.model_validate({**given, **changes}))

    return made


@pytest.fixture
def environment(make: Make) -> DockerEnvironment:
    return make()


@pytest.fixture(scope="session")
def client(docker_engine: None) -> Iterator["docker.DockerClient"]:
    with_engine = docker.from_env()
    yield with_engine
    with_engine.close()


@pytest.fixture
def build(client: "docker.DockerClient", base_image: str, docker_network: str) -> Iterator[Build]:
    """Builds an image on the base image from further lines of a Dockerfile and tags it."""
    tags: list[str] = []

    def built(tag: str, *lines: str) -> str:
        text = "\n".join((f"FROM {base_image}", f"LABEL vhb.derived.by={docker_network}", *lines))
        client.images.build(fileobj=io.BytesIO(text.encode()), tag=tag, rm=True, forcerm=True)
        tags.append(tag)
        return tag

    yield built
    for tag in tags:
        try:
            client.images.remove(tag, force=True)
        except docker.errors.ImageNotFound:
            continue
