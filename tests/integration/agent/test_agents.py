"""Several agents share what is in demand, through a real server."""

import asyncio

from agent_harness import Host, entry, until, want

from vhb_inference_agent.claims import try_claim
from vhb_inference_agent.reattach import drop_old_claims
from vhb_shared.bus.client import Bus
from vhb_shared.bus.provision import ensure_consumer
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.state import AgentInfo, Claim


async def queue(bus: Bus, backend_id: str, shards: int) -> None:
    await ensure_consumer(bus.js, topology.backend_consumer(backend_id))
    for shard in range(shards):
        work = InferShard(job_id="j", run_id="r", backend_id=backend_id, shard=shard, attempt=0)
        await bus.command(subjects.inference(backend_id, "r", shard), work, f"{backend_id}:{shard}")


async def test_two_backends_share_one_host_on_devices_of_their_own(bus: Bus) -> None:
    async with Host(bus, "a", gpus=3) as host:
        await want(bus, entry("one", 1), "r1")
        await want(bus, entry("pair", 2), "r2")
        await until(lambda: host.holds == ["one", "pair"])
        devices = [uuid for session in host.agent.info.sessions for uuid in session.devices]
        assert sorted(devices) == ["a-0", "a-1", "a-2"]
        found = await bus.agents.get("a", AgentInfo)
        assert found is not None
        for _ in range(200):
            found = await bus.agents.get("a", AgentInfo)
            assert found is not None
            if len(found[0].sessions) == 2:
                break
            await asyncio.sleep(0.05)
        assert {session.model for session in found[0].sessions} == {"one", "pair"}, "others hear of it"
    assert await bus.agents.get("a", AgentInfo) is None
    assert host.pool.leases == {}


async def test_replicas_spread_over_agents_as_far_as_the_queue_goes(bus: Bus) -> None:
    await queue(bus, "wide", 5)  # two in each one's hands: enough for three
    await want(bus, entry("wide", replicas=8), "r")
    hosts = [Host(bus, name, slots=4) for name in "abcd"]
    async with hosts[0], hosts[1], hosts[2], hosts[3]:
        await until(lambda: sum(len(host.holds) for host in hosts) == 3)
        await asyncio.sleep(2.5)
        assert sum(len(host.holds) for host in hosts) == 3
        assert max(len(host.holds) for host in hosts) == 1, "nobody took two while others had nothing to do"


async def test_an_idle_backend_gives_way_and_a_busy_one_does_not(bus: Bus) -> None:
    async with Host(bus, "a", gpus=1) as host:
        await want(bus, entry("old", 1), "r1")
        await until(lambda: host.holds == ["old"])
        await want(bus, entry("new", 1), "r2", since=2)
        await asyncio.sleep(2.2)
        assert host.holds == ["old"]
        host.session("old").unwanted_since = 1.0
        await want(bus, entry("old", 1))
        await until(lambda: host.holds == ["new"])
        assert host.session("old").leaving


async def test_what_cannot_fit_here_is_left_to_who_has_it(bus: Bus) -> None:
    async with Host(bus, "small", gpus=1) as small:
        await want(bus, entry("pair", 2), "r")
        await asyncio.sleep(2.2)
        assert small.holds == []
        async with Host(bus, "large", gpus=2) as large:
            await until(lambda: large.holds == ["pair"])


async def test_a_passing_failure_is_tried_again_and_said(bus: Bus) -> None:
    async with Host(bus, "a", gpus=1) as host:
        await want(bus, entry("shaky", 1), "r")
        await until(lambda: host.holds == ["shaky"])
        delay = host.session("shaky").on_failure(
            Failure(kind="x", message="no route to host", retryable=True), False, ()
        )
        assert delay == 5
        host.session("shaky").over.set()
        await until(lambda: host.holds == [])
        (trouble,) = host.agent.info.troubles
        assert (trouble.backend_id, trouble.tries, trouble.message) == ("shaky", 1, "no route to host")
        host.ahead = 6
        await until(lambda: host.holds == ["shaky"])
        assert len(host.sessions) == 2
        bad = Failure(kind="x", message="bad argument")
        assert host.session("shaky").on_failure(bad, True, ()) == 10, "another replica serves: its runs need not fail"
        assert host.session("shaky").on_failure(bad, False, ()) is None


async def test_what_only_one_host_lacks_is_left_to_the_others_and_fails_when_all_lack_it(bus: Bus) -> None:
    lacking = Failure(kind="model_missing", message="this host has no folder /models/x")
    wrong = Failure(kind="bad_argument", message="the engine does not know --x")

    async def failed(host: Host, failure: Failure) -> float | None:
        agents = await bus.agents.values(AgentInfo)
        return host.session("folder").on_failure(failure, False, agents)

    async def online(agent_id: str, troubles: int) -> None:
        for _ in range(1500):
            found = await bus.agents.get(agent_id, AgentInfo)
            if found is not None and len(found[0].troubles) == troubles:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{agent_id} is not online with {troubles} troubles")

    async with Host(bus, "a", gpus=1) as a:
        await want(bus, entry("folder", 1), "r")
        await until(lambda: a.holds == ["folder"])
        await online("a", 0)
        assert await failed(a, lacking) is None, "there is nobody else"
        a.agent._troubles.forget("folder")
        async with Host(bus, "b", gpus=1) as b:
            await online("b", 0)
            assert await failed(a, wrong) is None, "that is wrong everywhere"
            a.agent._troubles.forget("folder")
            assert await failed(a, lacking) == 5
            a.session("folder").over.set()
            await until(lambda: b.holds == ["folder"])
            await online("a", 1)
            assert await failed(b, lacking) is None, "nobody is left who has not tried"


async def test_claims_of_a_former_life_do_not_keep_anybody_waiting(bus: Bus) -> None:
    stale = await try_claim(bus, Claim(backend_id="model", replica=0, agent_id="a", session="old"))
    kept = await try_claim(bus, Claim(backend_id="warm", replica=0, agent_id="a", session="old"))
    foreign = await try_claim(bus, Claim(backend_id="theirs", replica=0, agent_id="b", session="x"))
    assert stale is not None and kept is not None and foreign is not None
    stale._task.cancel()  # the process that renewed it is dead
    await drop_old_claims(bus, "a", {kept.key})
    assert await bus.claims.keys() == ["theirs.0", "warm.0"]
    await kept.release()
    await foreign.release()
