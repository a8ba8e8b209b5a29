"""What every environment must do, whatever kind of place it is."""

import asyncio
import signal
import time
import uuid
from pathlib import Path

import aiohttp
import pytest

from vhb_shared.environments.base import (
    Environment,
    EnvironmentFailed,
    EnvironmentHandle,
    EnvironmentSettings,
    EnvironmentSpec,
)
from vhb_shared.environments.registry import environment_type

SERVER = ("{python}", "-m", "http.server", "--bind", "{host}", "{port}")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: what was prepared once is there for the next."""
    return tmp_path_factory.mktemp("environments")


# An engine and a base image take a while to be made on a fresh machine.
DOCKER = pytest.param("docker", marks=[pytest.mark.slow, pytest.mark.timeout(900)])


@pytest.fixture(params=["process", DOCKER])
def environment(request: pytest.FixtureRequest, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    if request.param == "docker":
        monkeypatch.setenv("VHB_DOCKER_BASE_IMAGE", request.getfixturevalue("base_image"))
        agent_id = request.getfixturevalue("docker_network")
        monkeypatch.setenv("VHB_DOCKER_NETWORK", agent_id)
        monkeypatch.setenv("VHB_DOCKER_PACKAGE_CACHE", agent_id)
    else:
        agent_id = "agent-1"
    return environment_type(request.param)(EnvironmentSettings(directory=directory, agent_id=agent_id))


def program(code: str, **changes: object) -> EnvironmentSpec:
    return EnvironmentSpec.model_validate({"name": "test", "command": ("{python}", "-c", code), **changes})


async def started(environment: Environment, spec: EnvironmentSpec) -> EnvironmentHandle:
    return await environment.start(await environment.prepare(spec, lambda _: None))


async def answers(address: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def until_answering(environment: Environment, handle: EnvironmentHandle) -> str:
    for _ in range(1200):
        address = await environment.address(handle)
        if address is not None and await answers(address):
            return address
        assert await environment.exit_state(handle) is None
        await asyncio.sleep(0.05)
    raise AssertionError("the server does not answer")


async def until_logged(environment: Environment, handle: EnvironmentHandle, part: str) -> None:
    for _ in range(200):
        if any(part in line for line in await environment.logs(handle)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no line of the log holds {part!r}")


async def test_a_server_starts_answers_and_stops(environment: Environment) -> None:
    handle = await started(environment, EnvironmentSpec(name="server", command=SERVER))
    address = await until_answering(environment, handle)
    assert await environment.exit_state(handle) is None
    await until_logged(environment, handle, "GET / ")  # the answer may be here before the line about it is
    stats = await environment.stats(handle)
    assert stats.processes >= 1
    assert stats.memory_bytes > 1 << 20
    before = time.monotonic()
    await environment.stop(handle)
    assert time.monotonic() - before < 20
    assert not await answers(address)
    assert await environment.exit_state(handle) is not None
    assert (await environment.stats(handle)).processes == 0


async def test_a_program_that_chooses_its_port_writes_it_to_a_file(environment: Environment) -> None:
    code = (
        "import http.server, pathlib, sys\n"
        "server = http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), http.server.SimpleHTTPRequestHandler)\n"
        "pathlib.Path(sys.argv[3]).write_text(f'{server.server_port}\\n')\n"
        "server.serve_forever()\n"
    )
    command = ("{python}", "-c", code, "{host}", "{port}", "{port_file}")
    handle = await started(environment, EnvironmentSpec(name="chooser", command=command))
    await until_answering(environment, handle)
    await environment.stop(handle)


async def test_preparing_again_does_nothing(environment: Environment, tmp_path: Path) -> None:
    environment = type(environment)(environment.settings.model_copy(update={"directory": tmp_path}))
    (package := tmp_path / "little").mkdir()
    (package / "__init__.py").write_text(f"WHERE = {str(tmp_path)!r}\n")
    spec = program("import little; print(little.WHERE)", local_packages=(package,))
    first: list[str] = []
    second: list[str] = []
    spec = await environment.prepare(spec, first.append)
    assert await environment.prepare(spec, second.append) == spec
    assert first
    assert not second
    assert (await environment.installed(spec)).python
    handle = await environment.start(spec)
    await environment.wait_exit(handle)
    assert await environment.logs(handle) == (str(tmp_path),)
    await environment.stop(handle)


async def test_an_exit_is_reported_with_its_code_and_last_words(environment: Environment) -> None:
    code = "import sys; print('so long'); print('sorry', file=sys.stderr); sys.exit(3)"
    handle = await started(environment, program(code))
    ended = await asyncio.wait_for(environment.wait_exit(handle), 60)
    assert (ended.code, ended.signal) == (3, None)
    assert await environment.exit_state(handle) == ended
    assert set(await environment.logs(handle)) == {"so long", "sorry"}
    assert (await environment.logs(handle, 1)) in (("so long",), ("sorry",))
    await environment.stop(handle)


async def test_death_by_a_signal_is_told_from_an_exit(environment: Environment) -> None:
    handle = await started(environment, program("import os; os.kill(os.getpid(), 9)"))
    ended = await asyncio.wait_for(environment.wait_exit(handle), 60)
    assert ended.signal == signal.SIGKILL
    assert "signal 9" in ended.words
    await environment.stop(handle)


async def test_what_ignores_the_polite_request_and_its_children_are_ended_by_force(environment: Environment) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, 1); time.sleep(600)'])\n"
        "time.sleep(1); print('ready'); time.sleep(600)\n"
    )
    handle = await started(environment, program(code))
    for _ in range(1200):
        if await environment.logs(handle) == ("ready",):
            break
        await asyncio.sleep(0.05)
    assert (await environment.stats(handle)).processes == 2
    before = time.monotonic()
    await environment.stop(handle, grace_s=0.5)
    assert 0.4 < time.monotonic() - before < 20
    assert (await environment.stats(handle)).processes == 0


async def test_stopping_twice_and_stopping_what_has_ended_is_harmless(environment: Environment) -> None:
    handle = await started(environment, program("print(1)"))
    await environment.wait_exit(handle)
    await environment.stop(handle)
    await environment.stop(handle)


async def test_a_missing_program_is_said_in_a_sentence(environment: Environment) -> None:
    spec = EnvironmentSpec(name="ghost", command=("no-such-program-of-ours",))
    spec = await environment.prepare(spec, lambda _: None)
    with pytest.raises(EnvironmentFailed, match="no-such-program-of-ours") as caught:
        await environment.start(spec)
    assert not caught.value.failure.retryable


async def test_only_named_variables_arrive(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VHB_S3_SECRET_KEY", "hush-1")
    monkeypatch.setenv("OPENAI_API_KEY", "hush-2")
    monkeypatch.setenv("NAMED", "given-3")
    code = "import os\nfor pair in sorted(os.environ.items()): print(*pair)"
    spec = program(code, pass_env=("NAMED", "NOT_SET"), env={"GIVEN": "value-4"})
    handle = await started(environment, spec)
    await environment.wait_exit(handle)
    lines = await environment.logs(handle, 200)
    await environment.stop(handle)
    assert "NAMED given-3" in lines
    assert "GIVEN value-4" in lines
    assert any(line.startswith("PATH ") for line in lines)
    assert not any("hush" in line or line.startswith(("VHB_", "NOT_SET")) for line in lines)
    assert "given-3" not in handle.model_dump_json()


async def test_a_handle_survives_being_written_down(environment: Environment) -> None:
    handle = await started(environment, program("import time; time.sleep(600)", labels={"run": "r1"}))
    again = EnvironmentHandle.model_validate_json(handle.model_dump_json())
    assert again == handle
    assert again.labels["run"] == "r1"
    assert await environment.recover(again)
    assert await environment.exit_state(again) is None
    await environment.stop(again)
    assert not await environment.recover(again)


async def test_reaping_leaves_alone_what_is_in_use(environment: Environment) -> None:
    labels = {"run": uuid.uuid4().hex}
    handle = await started(environment, program("import time; time.sleep(600)", labels=labels))
    assert await environment.reap(labels) == ()
    assert await environment.reap({"run": "another"}) == ()
    assert await environment.exit_state(handle) is None
    await environment.stop(handle)


async def test_an_unknown_handle_has_ended(environment: Environment) -> None:
    ghost = EnvironmentHandle(environment=environment.name, id="ghost", started_at="2026-01-01T00:00:00Z")
    assert await environment.exit_state(ghost) is not None
    assert await environment.wait_exit(ghost) is not None
    assert await environment.address(ghost) is None
    assert await environment.logs(ghost) == ()
    assert (await environment.stats(ghost)).processes == 0
    await environment.stop(ghost)


async def test_several_run_side_by_side(environment: Environment) -> None:
    spec = EnvironmentSpec(name="server", command=SERVER)
    spec = await environment.prepare(spec, lambda _: None)
    handles = await asyncio.gather(*(environment.start(spec) for _ in range(3)))
    addresses = await asyncio.gather(*(until_answering(environment, handle) for handle in handles))
    assert len(set(addresses)) == 3
    await environment.stop(handles[0])
    assert await answers(addresses[1])
    await asyncio.gather(*(environment.stop(handle) for handle in handles[1:]))


async def test_output_is_read_on_from_where_it_was_read(environment: Environment) -> None:
    code = "import time\nfor n in range(3): print('line', n, flush=True); time.sleep(1.2)\ntime.sleep(60)"
    handle = await started(environment, program(code))
    place, text = "", ""
    async with asyncio.timeout(60):
        while "line 2" not in text:
            output = await environment.output(handle, place)
            place, text = output.place, text + output.text
            assert output.left_out == 0
            await asyncio.sleep(0.2)
    assert text.split() == ["line", "0", "line", "1", "line", "2"]
    assert (await environment.output(handle, place)).text == ""
    await environment.stop(handle)
    assert (await environment.output(handle, place)).text == ""
