"""Key-value state on a real server: compare-and-set, listing, expiry."""

import asyncio

import pytest

from vhb_shared.bus.client import Bus
from vhb_shared.bus.provision import missing, provision
from vhb_shared.contracts import topology
from vhb_shared.contracts.state import Claim, JobState
from vhb_shared.errors import Conflict


def job(name: str) -> JobState:
    return JobState(job_id=name, name=name, status="accepted")


async def test_provisioning_again_changes_nothing(bus: Bus) -> None:
    await bus.jobs.create("job.a", job("a"))
    await provision(bus.js)
    assert await missing(bus.js, topology.CONSUMERS) is None
    assert await bus.jobs.get("job.a", JobState) is not None


async def test_a_missing_consumer_is_named(bus: Bus) -> None:
    await bus.js.delete_consumer(topology.WORK, topology.SCHEDULER_SUBMIT.durable)
    assert "scheduler--submit" in (await missing(bus.js, topology.CONSUMERS) or "")


async def test_create_refuses_what_exists_and_update_what_changed(bus: Bus) -> None:
    revision = await bus.jobs.create("job.a", job("a"))
    with pytest.raises(Conflict):
        await bus.jobs.create("job.a", job("b"))
    await bus.jobs.update("job.a", job("c"), revision)
    with pytest.raises(Conflict):
        await bus.jobs.update("job.a", job("d"), revision)


async def test_concurrent_changes_lose_nothing(bus: Bus) -> None:
    await bus.jobs.create("job.a", job("a"))

    async def add(number: int) -> None:
        await bus.jobs.change(
            "job.a", JobState, lambda state: state.model_copy(update={"problems": (*state.problems, str(number))})
        )

    await asyncio.gather(*(add(number) for number in range(20)))
    found = await bus.jobs.get("job.a", JobState)
    assert found is not None
    assert sorted(found[0].problems, key=int) == [str(number) for number in range(20)]


async def test_lists_by_prefix_without_deleted_keys(bus: Bus) -> None:
    for name in ("job.a", "job.b", "run.a", "jobs.x"):
        await bus.jobs.create(name, job(name))
    await bus.jobs.delete("job.b")
    await bus.jobs.delete("job.never-was")
    assert await bus.jobs.keys("job.") == ["job.a"]
    assert [state.name for state in await bus.jobs.values(JobState, "run.")] == ["run.a"]
    assert await bus.claims.keys() == []


async def test_claims_expire_unless_renewed(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Claim(backend_id="b", replica=0, agent_id="one", session="s")
    await bus.claims.create("b.0", claim)
    await asyncio.sleep(topology.CLAIM_TTL_S + 1.5)
    assert await bus.claims.get("b.0", Claim) is None
    await bus.claims.create("b.0", claim.model_copy(update={"agent_id": "two"}))
