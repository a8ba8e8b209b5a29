"""How containers end, and what is said of them."""

import asyncio
import time

import docker
import pytest
from container_kit import Build, Make, program, started, until

from vhb_shared.environments.base import EnvironmentFailed, EnvironmentHandle, EnvironmentSpec, Exit, Stats
from vhb_shared.environments.docker.environment import DockerEnvironment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EATS = "x = bytearray(300 << 20)"
SLEEPS = "import time; time.sleep(600)"


async def test_running_out_of_memory_is_recognised(environment: DockerEnvironment) -> None:
    handle = await started(environment, program(EATS, memory_bytes=64 << 20))
    ended = await asyncio.wait_for(environment.wait_exit(handle), 60)
    await environment.stop(handle)
    assert ended.out_of_memory
    assert ended.signal == 9
    assert ended.words == "ran out of memory"


async def test_a_childs_death_for_want_of_memory_is_seen_while_it_runs_and_when_it_ends(
    environment: DockerEnvironment,
) -> None:
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.run([sys.executable, '-c', {EATS!r}])\n"
        "print('child', child.returncode, flush=True)\n"
        "input_ = __import__('pathlib').Path('/tmp/go')\n"
        "while not input_.exists(): time.sleep(0.05)\n"
        "sys.exit(1)\n"
    )
    handle = await started(environment, program(code, memory_bytes=64 << 20))

    async def noticed() -> bool:
        return (await environment.stats(handle)).out_of_memory

    await until(noticed)
    assert await environment.exit_state(handle) is None
    assert await environment.logs(handle) == ("child -9",)
    client = docker.from_env()
    client.containers.get(handle.state["container"]).exec_run(["touch", "/tmp/go"])
    ended = await asyncio.wait_for(environment.wait_exit(handle), 60)
    await environment.stop(handle)
    client.close()
    assert (ended.code, ended.out_of_memory) == (1, True)


async def test_enough_memory_is_no_such_end(environment: DockerEnvironment) -> None:
    handle = await started(environment, program(f"{EATS}; import sys; sys.exit(4)", memory_bytes=512 << 20))
    assert await asyncio.wait_for(environment.wait_exit(handle), 60) == Exit(code=4)
    await environment.stop(handle)


async def test_being_killed_from_outside_is_noticed_soon(
    environment: DockerEnvironment, client: "docker.DockerClient"
) -> None:
    handle = await started(environment, program(SLEEPS))
    waiting = asyncio.ensure_future(environment.wait_exit(handle))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(client.containers.get(handle.state["container"]).kill)
    before = time.monotonic()
    ended = await asyncio.wait_for(waiting, 30)
    assert time.monotonic() - before < 15
    assert (ended.signal, ended.out_of_memory) == (9, False)
    await environment.stop(handle)


async def test_what_somebody_removed_has_ended(environment: DockerEnvironment, client: "docker.DockerClient") -> None:
    handle = await started(environment, program(SLEEPS))
    await asyncio.to_thread(client.containers.get(handle.state["container"]).remove, force=True)
    assert await asyncio.wait_for(environment.wait_exit(handle), 30) == Exit()
    await environment.stop(handle)


async def test_a_paused_container_can_be_stopped(environment: DockerEnvironment, client: "docker.DockerClient") -> None:
    handle = await started(environment, program(SLEEPS))
    await asyncio.to_thread(client.containers.get(handle.state["container"]).pause)
    assert await environment.exit_state(handle) is None
    await environment.stop(handle, 1)
    assert await environment.exit_state(handle) is not None
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(handle.state["container"])


async def test_stopping_removes_the_volumes_of_its_image(
    environment: DockerEnvironment, client: "docker.DockerClient", build: Build
) -> None:
    image = build("vhb-test-volume:1", "VOLUME /data")
    handle = await started(environment, program(SLEEPS, image=image))
    mounts = client.containers.get(handle.state["container"]).attrs["Mounts"]
    (volume,) = [mount["Name"] for mount in mounts if mount["Destination"] == "/data"]
    assert client.volumes.get(volume)
    await asyncio.gather(environment.stop(handle), environment.stop(handle))
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get(volume)


async def test_the_log_is_bounded_and_keeps_the_end(make: Make, client: "docker.DockerClient") -> None:
    environment = make()
    environment.settings = environment.settings.model_copy(update={"log_bytes": 1 << 16})
    code = "for n in range(30000): print('line', n)\nprint('x' * 9000)"
    handle = await started(environment, program(code))
    await environment.wait_exit(handle)
    attributes = client.containers.get(handle.state["container"]).attrs
    assert attributes["HostConfig"]["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": str(1 << 15), "max-file": "2"},
    }
    lines = await environment.logs(handle, 3)
    await environment.stop(handle)
    assert lines == ("line 29998", "line 29999", "x" * 4000)


async def test_without_an_engine_everything_says_so_or_waits(make: Make) -> None:
    environment = make(host="unix:///nowhere/docker.sock")
    problem = await environment.problem()
    assert problem is not None
    assert "unix:///nowhere/docker.sock" in problem
    assert "VHB_DOCKER_HOST" in problem
    handle = EnvironmentHandle(environment="docker", id="x", started_at="2026-01-01T00:00:00Z")
    with pytest.raises(EnvironmentFailed, match="VHB_DOCKER_HOST") as caught:
        await environment.prepare(EnvironmentSpec(name="x"), lambda _: None)
    assert caught.value.failure.retryable
    with pytest.raises(EnvironmentFailed, match="may still run"):
        await environment.stop(handle)
    # Whether it ended is not known: it is not said to have.
    assert await environment.exit_state(handle) is None
    assert await environment.recover(handle)
    assert await environment.address(handle) is None
    assert await environment.logs(handle) == ()
    assert await environment.stats(handle) == Stats()
    assert await environment.reap({}) == ()


async def test_cancelling_a_start_leaves_nothing(
    environment: DockerEnvironment, client: "docker.DockerClient", docker_network: str
) -> None:
    spec = await environment.prepare(program(SLEEPS), lambda _: None)
    for patience in (0.0, 0.05, 0.3):
        starting = asyncio.create_task(environment.start(spec))
        await asyncio.sleep(patience)
        if starting.cancel():
            await asyncio.gather(starting, return_exceptions=True)
        else:  # it was quicker
            await environment.stop(await starting, 0)
    filters = {"label": f"vhb.environment.agent={docker_network}"}
    assert not await asyncio.to_thread(client.containers.list, all=True, filters=filters)


async def test_the_event_loop_is_never_blocked(environment: DockerEnvironment) -> None:
    used: list[float] = []

    async def watch() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            used.append(time.thread_time() - before)

    spec = program("import time\nwhile True: print('word ' * 50); time.sleep(0.001)")
    handles = [await started(environment, spec)]  # imports, first connection
    watcher = asyncio.create_task(watch())
    handles += await asyncio.gather(*(started(environment, spec) for _ in range(3)))
    for _ in range(5):
        await asyncio.gather(*(environment.logs(handle, 1000) for handle in handles))
        await asyncio.gather(*(environment.stats(handle) for handle in handles))
    await environment.installed(await environment.prepare(spec, lambda _: None))
    await asyncio.gather(*(environment.stop(handle, 0) for handle in handles))
    watcher.cancel()
    assert max(used) < 0.1
