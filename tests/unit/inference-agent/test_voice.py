"""What a real program writes reaches those who watch, bounded and without secrets, and its end is stored."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vhb_inference_agent.telemetry.rows import Names
from vhb_inference_agent.voice import KEPT_CHARACTERS, MOST_LINES, EngineVoice
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.live import BackendWarmup, Live, LogLines
from vhb_shared.environments.base import EnvironmentHandle, EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.process import ProcessEnvironment
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore

NAMES = Names("b1", "model", "agent", 0, "s1")
KEY = layout.engine_log("b1", 0, "s1")


class Heard:
    def __init__(self, tmp_path: Path) -> None:
        self.store = DirectoryStore(tmp_path / "store")
        self.environment = ProcessEnvironment(EnvironmentSettings(directory=tmp_path / "env", agent_id="a"))
        self.messages: list[Live] = []
        model = ModelEntry(name="model", backend="vllm", model="m", pass_env=("SECRET_OF_TEST",))
        self.voice = EngineVoice(NAMES, model, self.store, self._emit, lambda: ("j1", "j2"))

    async def _emit(self, message: Live) -> None:
        self.messages.append(message)

    async def start(self, code: str) -> EnvironmentHandle:
        spec = EnvironmentSpec(name="test", command=("{python}", "-u", "-c", code))
        handle = await self.environment.start(await self.environment.prepare(spec, self.voice.prepares))
        self.voice.attach(self.environment, handle)
        return handle

    def told(self, job_id: str = "j1") -> list[LogLines]:
        return [each for each in self.messages if isinstance(each, LogLines) and each.job_id == job_id]

    def lines(self) -> list[str]:
        return [line.text for said in self.told() for line in said.lines]


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setenv("SECRET_OF_TEST", "very-secret-value")
    return Heard(tmp_path)


async def until(so: Callable[[], bool]) -> None:
    for _ in range(400):
        if so():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


async def test_lines_and_warmup_are_told_and_the_end_is_stored(heard: Heard) -> None:
    code = (
        "import time\n"
        "print('WARNING key very-secret-value and hf_abcdefghijkl')\n"
        "print('Loading safetensors checkpoint shards:  50% Completed | 1/2', end='\\r')\n"
        "time.sleep(1.2)\n"
        "print('Capturing CUDA graphs:  25%|##  | 1/4')\n"
        "time.sleep(60)\n"
    )
    async with heard.voice:
        handle = await heard.start(code)
        await until(lambda: any("Capturing" in line for line in heard.lines()))
        heard.voice.ready()
        await heard.voice.detach()
        await heard.environment.stop(handle)
    assert heard.lines()[:1] == ["WARNING key *** and hf_***"]
    assert heard.told()[0].lines[0].level == "warning"
    assert [said.lines for said in heard.told("j2")] == [said.lines for said in heard.told()]
    phases = [(each.phase, each.fraction) for each in heard.messages if isinstance(each, BackendWarmup)]
    assert ("loading", 0.5) in phases and ("capturing", 0.25) in phases
    stored = (await heard.store.get(KEY)).decode()
    assert "Capturing CUDA graphs" in stored and "very-secret" not in stored


async def test_a_flood_is_bounded_counted_and_cheap(heard: Heard) -> None:
    total = 200_000
    code = f"import sys\nfor n in range({total}): sys.stdout.write(f'line {{n}} ' + 'x' * 60 + '\\n')\n"
    async with heard.voice:
        handle = await heard.start(code)
        await heard.environment.wait_exit(handle)
        busy = time.process_time()
        await heard.voice.detach()
        busy = time.process_time() - busy
        await heard.environment.stop(handle)
    told = heard.told()
    assert all(len(said.lines) <= MOST_LINES for said in told)
    assert sum(len(said.lines) + said.left_out for said in told) == total
    assert heard.lines()[-1].startswith(f"line {total - 1} ")
    assert busy < 3.0
    assert len(await heard.store.get(KEY)) < KEPT_CHARACTERS + 10_000


async def test_reading_goes_on_across_a_full_file(heard: Heard, tmp_path: Path) -> None:
    heard.environment.settings = heard.environment.settings.model_copy(update={"log_bytes": 1 << 16})
    # It writes fewer lines at a time than are told at once, and then waits for the reader, however slow that is.
    code = (
        "import pathlib, time\n"
        "for n in range(1200):\n"
        "    print(f'{n} ' + 'x' * 30)\n"
        f"    while n % 80 == 79 and not pathlib.Path({str(tmp_path)!r}, f'heard-{{n}}').exists(): time.sleep(0.01)\n"
    )
    handle = await heard.start(code)
    ended = asyncio.create_task(heard.environment.wait_exit(handle))
    while not ended.done():
        await heard.voice.listen()
        if (lines := heard.lines()) and len(lines) % 80 == 0:
            (tmp_path / f"heard-{lines[-1].split()[0]}").touch()
        await asyncio.sleep(0.02)
    await heard.voice.detach()
    await heard.environment.stop(handle)
    assert [int(line.split()[0]) for line in heard.lines()] == list(range(1200))
