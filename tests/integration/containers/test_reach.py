"""The agent reaches its containers from the host and from a container beside them."""

import asyncio
import json
import sysconfig
from pathlib import Path

import docker
import pytest
from container_kit import Make, program, started, until

import vhb_inference_agent
import vhb_shared
from vhb_shared.environments.docker.environment import DockerEnvironment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SOCKET = "/var/run/docker.sock"

# An agent in a container: the same code, asked the same things.
AGENT = """
import asyncio, json, pathlib, sys, urllib.request
from vhb_shared.environments.base import EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.docker import owners
from vhb_shared.environments.docker.environment import DockerEnvironment
from vhb_shared.environments.docker.settings import DockerSettings

async def main():
    image, network = sys.argv[1:]
    settings = EnvironmentSettings(directory=pathlib.Path("/tmp"), agent_id=network)
    docker = DockerSettings(base_image=image, network=network, pull="never", package_cache=network)
    environment = DockerEnvironment(settings, docker)
    command = ("{python}", "-m", "http.server", "--bind", "{host}", "{port}")
    spec = await environment.prepare(EnvironmentSpec(name="server", command=command), lambda _: None)
    handle = await environment.start(spec)
    address = await environment.address(handle)
    for _ in range(600):
        try:
            status = urllib.request.urlopen(address, timeout=5).status
            break
        except OSError:
            await asyncio.sleep(0.1)
    mark = await environment._engine.run(owners.own_mark, environment._engine)
    await environment.stop(handle)
    print(json.dumps({"address": address, "status": status, "reach": handle.state["reach"], "mark": mark}))

asyncio.run(main())
"""


@pytest.mark.parametrize("beside", [True, False])
async def test_an_agent_in_a_container_finds_its_way(
    client: "docker.DockerClient", base_image: str, docker_network: str, beside: bool
) -> None:
    """Whether or not somebody put the agent's container into the backends' network: it joins it."""
    if not Path(SOCKET).exists():  # noqa: ASYNC240
        pytest.fail(f"the engine's socket is not at {SOCKET}")
    sources = [str(Path(package.__file__ or "").parents[1]) for package in (vhb_inference_agent, vhb_shared)]
    installed = sysconfig.get_path("purelib")
    folders = [*sources, installed]
    container = client.containers.create(
        base_image,
        entrypoint=["python3.11", "-c", AGENT, base_image, docker_network],
        environment={"PYTHONPATH": ":".join(folders), "PYTHONDONTWRITEBYTECODE": "1"},
        volumes=[f"{folder}:{folder}:ro" for folder in folders] + [f"{SOCKET}:{SOCKET}"],
        network=docker_network if beside else None,
        labels={"vhb.environment.agent": docker_network},
    )
    try:
        container.start()
        code = (await asyncio.to_thread(container.wait, timeout=300))["StatusCode"]
        assert code == 0, container.logs().decode()
        found = json.loads(container.logs(stderr=False))
        assert found["status"] == 200
        assert found["reach"] == "network"
        assert found["address"].startswith("http://vhb-")
        assert found["address"].endswith(":8000")
        assert found["mark"].startswith(f"container {container.id} ")
    finally:
        await asyncio.to_thread(container.remove, force=True, v=True)


async def test_from_the_host_a_port_of_the_loopback_leads_there_and_from_nowhere_else(
    environment: DockerEnvironment, client: "docker.DockerClient"
) -> None:
    server = "import http.server as h; h.HTTPServer(('0.0.0.0', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
    handle = await started(environment, program(server))
    assert handle.state["reach"] == "published"
    ports = client.containers.get(handle.state["container"]).attrs["NetworkSettings"]["Ports"]
    assert [each["HostIp"] for each in ports["8000/tcp"]] == ["127.0.0.1"]
    await environment.stop(handle)
    assert await environment.address(handle) is None


async def test_the_network_is_made_where_it_is_missing(make: Make, client: "docker.DockerClient") -> None:
    name = "vhb-test-made-by-itself"
    environment = make(network=name)
    try:
        spec = await environment.prepare(program("import time; time.sleep(600)"), lambda _: None)
        handles = await asyncio.gather(*(environment.start(spec) for _ in range(3)))
        assert len(await asyncio.to_thread(client.networks.list, names=[name])) == 1

        async def address() -> str | None:
            return await environment.address(handles[0])

        assert await until(address)
        await asyncio.gather(*(environment.stop(handle) for handle in handles))
    finally:
        for network in await asyncio.to_thread(client.networks.list, names=[name]):
            network.remove()
