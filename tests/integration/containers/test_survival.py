"""Containers outlive their agent: the next one goes on with them, or ends what nobody wants any more."""

import asyncio
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import docker
import pytest
from container_kit import Make, program, started, until

from vhb_shared.environments.base import EnvironmentHandle
from vhb_shared.environments.docker import lives
from vhb_shared.environments.docker.engine import Engine
from vhb_shared.environments.docker.owners import GRACE_S, Strays, is_dead, own_mark

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Another agent: starts a server and says its handle, then waits for its own end.
AGENT = """
import asyncio, pathlib, sys
from vhb_shared.environments.base import EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.docker.environment import DockerEnvironment
from vhb_shared.environments.docker.settings import DockerSettings

async def main():
    folder, agent_id, image, network = sys.argv[1:]
    settings = EnvironmentSettings(directory=pathlib.Path(folder), agent_id=agent_id)
    environment = DockerEnvironment(settings, DockerSettings(base_image=image, network=network, pull="never"))
    command = ("{python}", "-m", "http.server", "--bind", "{host}", "{port}")
    spec = EnvironmentSpec(name="server", command=command, labels={"job": network})
    handle = await environment.start(await environment.prepare(spec, lambda _: None))
    print(handle.model_dump_json(), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


class OtherAgent:
    """An agent in a process of its own."""

    def __init__(self, folder: Path, agent_id: str, image: str, network: str) -> None:
        arguments = [sys.executable, "-c", AGENT, str(folder), agent_id, image, network]
        self.agent_id = agent_id
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.handle = EnvironmentHandle.model_validate_json(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def other(tmp_path: Path, base_image: str, docker_network: str, client: "docker.DockerClient") -> Iterator[OtherAgent]:
    agent = OtherAgent(tmp_path, f"other {secrets.token_hex(4)}", base_image, docker_network)
    yield agent
    agent.kill()
    lives.forget(Engine(None, 30), agent.agent_id)
    try:
        client.containers.get(agent.handle.state["container"]).remove(force=True, v=True)
    except docker.errors.NotFound:
        return


async def test_the_next_life_of_a_killed_agent_goes_on_with_its_container(make: Make, other: OtherAgent) -> None:
    await asyncio.to_thread(other.kill)
    environment = make(agent_id=other.agent_id)
    handle = EnvironmentHandle.model_validate_json(other.handle.model_dump_json())
    assert await environment.recover(handle)
    assert await environment.exit_state(handle) is None

    async def answers() -> bool:
        address = await environment.address(handle)
        assert address is not None
        try:
            async with aiohttp.ClientSession() as session, session.get(address) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    await until(answers)

    async def logged() -> bool:
        return any("GET / " in line for line in await environment.logs(handle))

    await until(logged)
    assert (await environment.stats(handle)).processes == 1
    # What was recovered is in use.
    assert await environment.reap(handle.labels) == ()
    await environment.stop(handle)
    assert not await environment.recover(handle)


async def test_what_ended_meanwhile_is_cleared_away(
    make: Make, other: OtherAgent, client: "docker.DockerClient"
) -> None:
    await asyncio.to_thread(other.kill)
    container = client.containers.get(other.handle.state["container"])
    await asyncio.to_thread(container.kill)
    await asyncio.to_thread(container.wait)
    assert not await make(agent_id=other.agent_id).recover(other.handle)
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(other.handle.state["container"])


async def test_reaping_spares_living_agents_and_what_is_to_be_kept(
    make: Make, other: OtherAgent, docker_network: str
) -> None:
    mine, labels = make(), {"job": docker_network}
    handle = await started(mine, program("import time; time.sleep(600)", labels=labels))
    assert await mine.reap(labels) == ()
    assert await mine.reap({"job": "another"}) == ()
    await asyncio.to_thread(other.kill)
    assert await mine.reap(labels, keep=[other.handle.id]) == ()
    # Of its own former life an agent keeps what it is told to, and nothing else.
    successor = make(agent_id=other.agent_id)
    assert await successor.reap(labels, keep=[other.handle.id]) == ()
    assert await mine.reap(labels) == (other.handle.id,)
    assert await mine.exit_state(other.handle) is not None
    assert await mine.exit_state(handle) is None
    await mine.stop(handle)


async def test_an_agent_reaps_its_own_former_life_even_when_that_looks_alive(
    make: Make, other: OtherAgent, docker_network: str
) -> None:
    """Two lives of one agent never overlap: its name says that what is left is its own."""
    assert await make(agent_id=other.agent_id).reap({"job": docker_network}) == (other.handle.id,)


class Hours:
    """A clock that is put forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_a_dead_agent_left_is_spared_for_a_while_then_ended(
    other: OtherAgent, docker_network: str, make: Make
) -> None:
    clock = Hours()
    strays = Strays(Engine(None, 30), "me", {"job": docker_network}, clock)
    assert await asyncio.to_thread(strays.collect) == ()
    clock.now += 10 * GRACE_S
    assert await asyncio.to_thread(strays.collect) == (), "its owner lives"
    await asyncio.to_thread(other.kill)
    clock.now += 10 * GRACE_S
    assert await asyncio.to_thread(strays.collect) == (), "the time counts from when it was first seen without an owner"
    clock.now += GRACE_S - 1
    assert await asyncio.to_thread(strays.collect) == ()
    clock.now += 2
    assert await asyncio.to_thread(strays.collect) == (other.handle.id,)
    assert await make().exit_state(other.handle) is not None


async def test_what_a_later_life_goes_on_with_is_no_stray(other: OtherAgent, docker_network: str, make: Make) -> None:
    clock, engine = Hours(), Engine(None, 30)
    strays = Strays(engine, "me", {"job": docker_network}, clock)
    dead = next(
        container.labels["vhb.environment.owner"]
        for container in engine.client().containers.list(filters={"label": f"job={docker_network}"})
    )
    await asyncio.to_thread(other.kill)
    assert await asyncio.to_thread(is_dead, dead, engine)
    assert await asyncio.to_thread(strays.collect) == ()
    later = make(agent_id=other.agent_id)
    assert await later.recover(other.handle)
    clock.now += 10 * GRACE_S
    assert await asyncio.to_thread(strays.collect) == ()
    assert await make().reap({"job": docker_network}) == ()
    # Somebody prunes volumes; the agent says again that it lives.
    await asyncio.to_thread(lives.forget, engine, other.agent_id)
    assert await later.collect() == ()
    assert (await asyncio.to_thread(lives.said, engine))[other.agent_id] == own_mark(engine)
    # That life ends, too: its word is worth nothing any more, and goes with the container.
    await asyncio.to_thread(lives.say, engine, other.agent_id, dead)
    assert await asyncio.to_thread(strays.collect) == ()
    clock.now += GRACE_S
    assert await asyncio.to_thread(strays.collect) == (other.handle.id,)
    assert await asyncio.to_thread(strays.collect) == ()
    assert other.agent_id not in await asyncio.to_thread(lives.said, engine)
