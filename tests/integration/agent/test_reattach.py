"""An agent's next life: what it takes back, and what it ends."""

import importlib.util
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from agent_harness import entry

from vhb_inference_agent.claims import try_claim
from vhb_inference_agent.opened import OpenedBackend
from vhb_inference_agent.placed import Adopted
from vhb_inference_agent.reattach import reattach
from vhb_inference_agent.resources.pool import ResourcePool
from vhb_inference_agent.survivors import Survivor, SurvivorFiles
from vhb_shared.bus.client import Bus
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.state import BackendDemand, Claim, Device
from vhb_shared.environments.base import (
    Environment,
    EnvironmentHandle,
    EnvironmentSettings,
    EnvironmentSpec,
)
from vhb_shared.placement.room import Lease

MODEL = ModelEntry(name="m", backend="detached")
DEVICES = tuple(Device(uuid=str(index), index=index, name="x", memory_gib=24) for index in range(2))


@pytest.fixture(scope="module")
def detached() -> ModuleType:
    path = Path(__file__).parents[2] / "plugins" / "detached_environment.py"
    spec = importlib.util.spec_from_file_location("detached_environment", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["detached_environment"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
async def nothing_left(detached: ModuleType, tmp_path: Path) -> AsyncIterator[None]:
    """Whatever a failing test leaves running ends with it."""
    yield
    await Life(detached, tmp_path).environment.reap({})


class Life:
    """One life of an agent: an environment of its own, the same folders."""

    def __init__(self, detached: ModuleType, tmp_path: Path) -> None:
        self.environment: Environment = detached.DetachedEnvironment(
            EnvironmentSettings(directory=tmp_path, agent_id="a")
        )
        self.files = SurvivorFiles(tmp_path / "survivors")
        self.pool = ResourcePool(DEVICES, slots=0)

    async def named(self, name: str) -> Environment | None:
        return self.environment if name == "detached" else None

    async def left(self, backend_id: str, *devices: str) -> Survivor:
        """Something that runs and is written down; its agent is dead."""
        spec = EnvironmentSpec(name=backend_id, command=("sleep", "600"), labels={"vhb.agent": "a"})
        survivor = Survivor(
            claim=Claim(backend_id=backend_id, replica=0, agent_id="a", session="old"),
            demand=BackendDemand(backend_id=backend_id, model=entry(backend_id), job_ids=("j",), run_ids=("r",)),
            lease=Lease(place="devices", devices=devices),
            spec=spec,
            handle=await self.environment.start(spec),
        )
        self.files.save(survivor)
        return survivor


async def test_it_takes_back_what_is_its_own_and_ends_the_rest(bus: Bus, detached: ModuleType, tmp_path: Path) -> None:
    before = Life(detached, tmp_path)
    mine = await before.left("mine", "0")
    expired = await before.left("expired", "1")
    foreign = await before.left("foreign", "0")
    no_device = await before.left("no-device", "7")
    gone = await before.left("gone", "0")
    orphan = await before.environment.start(
        EnvironmentSpec(name="x", command=("sleep", "600"), labels={"vhb.agent": "a"})
    )
    await before.environment.stop(gone.handle)
    (tmp_path / "survivors" / "torn.0.json").write_text("{")
    await bus.claims.create("mine.0", mine.claim)
    theirs = await try_claim(bus, Claim(backend_id="foreign", replica=0, agent_id="b", session="x"))

    life = Life(detached, tmp_path)
    kept = await reattach(bus, life.files, life.named, life.pool)
    assert [survivor for _, survivor in kept] == [expired, mine]
    assert life.pool.leases == {"mine.0": mine.lease, "expired.0": expired.lease}
    assert {path.stem for path in (tmp_path / "survivors").iterdir()} == {"mine.0", "expired.0"}
    for ended in (foreign, no_device, gone):
        assert await life.environment.exit_state(ended.handle) is not None
    in_use = [survivor.handle.id for _, survivor in kept]
    assert await life.environment.reap({"vhb.agent": "a"}, in_use) == (orphan.id,)
    for held, survivor in kept:
        assert await life.environment.exit_state(survivor.handle) is None
        found = await bus.claims.get(held.key, Claim)
        assert found is not None and found[0] == survivor.claim
        await held.release()
        await life.environment.stop(survivor.handle)
    assert theirs is not None
    assert await bus.claims.keys() == ["foreign.0"]
    await theirs.release()


class Kept:
    """Remembers what was written down."""

    def __init__(self) -> None:
        self.saved: list[tuple[EnvironmentHandle, EnvironmentSpec, Mapping[str, Any]]] = []
        self.dropped = 0

    async def save(self, handle: EnvironmentHandle, spec: EnvironmentSpec, manifest: Mapping[str, Any]) -> None:
        self.saved.append((handle, spec, dict(manifest)))

    async def drop(self, handle: EnvironmentHandle | None = None) -> None:
        self.dropped += 1


async def test_a_backend_is_adopted_as_it_runs(detached: ModuleType, tmp_path: Path) -> None:
    first, kept = Life(detached, tmp_path), Kept()
    lease = Lease(place="devices", devices=("1",))
    opened = OpenedBackend(detached.DetachedBackend(), MODEL, first.environment, lease=lease, keep=kept)
    backend = await opened.__aenter__()
    address = backend.endpoint.base_url
    assert [bool(manifest) for _, _, manifest in kept.saved] == [False, True], "when it started, and when it answered"
    assert opened._watch is not None
    opened._watch.cancel()  # the agent is dead

    second, again = Life(detached, tmp_path), Kept()
    handle, spec, manifest = kept.saved[-1]
    assert spec.devices == ("1",)
    assert await second.environment.recover(handle)
    adopt = Adopted(spec, handle, manifest)
    async with OpenedBackend(
        detached.DetachedBackend(), MODEL, second.environment, lease=lease, adopt=adopt, keep=again
    ) as adopted:
        assert adopted.endpoint.base_url == address
        assert adopted.handle == handle
        assert adopted.manifest() == {**manifest, "restarts": 0}
        assert again.dropped == 0
    assert again.dropped == 1, "it ended in good order"
    assert await second.environment.exit_state(handle) is not None


async def test_what_died_between_two_lives_is_started_again(detached: ModuleType, tmp_path: Path) -> None:
    life, kept = Life(detached, tmp_path), Kept()
    spec = EnvironmentSpec(name="m", command=detached.DetachedBackend().launch(MODEL).command, ready_timeout_s=60)
    dead = await life.environment.start(EnvironmentSpec(name="m", command=("false",)))
    await life.environment.wait_exit(dead)
    adopt = Adopted(spec, dead, {})
    async with OpenedBackend(detached.DetachedBackend(), MODEL, life.environment, adopt=adopt, keep=kept) as adopted:
        assert adopted.handle is not None
        assert adopted.handle.id != dead.id
        assert kept.saved[0][0] == adopted.handle


async def test_one_that_hangs_is_started_again(detached: ModuleType, tmp_path: Path) -> None:
    life, said = Life(detached, tmp_path), list[str]()
    async with OpenedBackend(detached.DetachedBackend(), MODEL, life.environment, on_progress=said.append) as backend:
        before = backend.handle
        backend.declare_hung("no answer for 60 s")
        backend.declare_hung("and again")
        assert await backend.after_connection_error()
        assert backend.restarts == 1
        assert backend.handle is not None and before is not None
        assert backend.handle.id != before.id
        assert any("hangs (no answer for 60 s)" in line for line in said)
        assert await life.environment.exit_state(before) is not None
