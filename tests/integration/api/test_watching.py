"""Shards, metrics so far, starts of backends, logs: what a page that watches shows, of a run that goes on."""

import asyncio
import io
import time
from collections.abc import Callable
from typing import Any

import polars as pl
from interface import Interface
from story import Story
from test_stream import watching

from vhb_evaluator.metrics.registry import bind_all
from vhb_evaluator.parts import as_part
from vhb_evaluator.scoring import score_bound
from vhb_shared.contracts import events
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.contracts.live import BackendTelemetry, BackendWarmup, LogLine, LogLines, ShardProgress
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import AgentInfo, Claim, RunState, SessionInfo
from vhb_shared.store import layout


async def score(told: Story, run: RunState, shard: int, answers: list[str | None]) -> None:
    """An evaluator scores the two samples of a shard."""
    rows = [
        {"index": n, "id": f"{n}", "doc_class": None, "question_type": None, "references": ["abcd"]}
        for n in (2 * shard, 2 * shard + 1)
    ]
    said = [
        {"index": row["index"], "id": row["id"], "model_answer": answer, "outcome": "answered" if answer else "failed"}
        for row, answer in zip(rows, answers, strict=True)
    ]
    metrics = bind_all((MetricSpec(name="cer"), MetricSpec(name="bleu")))
    scores = score_bound(pl.DataFrame(rows), pl.DataFrame(said, infer_schema_length=None), metrics)
    key = layout.scores_part(run.run_id, shard, f"{shard:012x}{run.round}")
    await told.store.put(key, as_part(scores, metrics))


async def opened(told: Story, api: Interface, *, failed: int = 0, shards: int = 2) -> RunState:
    """A run with some shards done."""
    run = (await told.states.runs(await told.submit("open")))[0]
    await told.answer(run, failed=failed, shards=shards)
    await until(api, "/jobs/open/runs", lambda page: page["items"][0]["shards_done"] == shards)
    return run


async def until(api: Interface, path: str, so: Callable[[Any], Any]) -> Any:
    """An answer, as soon as it says so."""
    for _ in range(400):
        if so(said := await api.get(path)):
            return said
        await asyncio.sleep(0.05)
    raise AssertionError(said)


async def test_shards_in_one_small_answer(api: Interface, told: Story) -> None:
    run = await opened(told, api)
    progress = {"job_id": "open", "run_id": run.run_id, "attempt": 0, "samples": 2, "agent_id": "agent-0"}
    for shard in (1, 2):  # the first of them is done already
        await told.bus.live(ShardProgress(**progress, shard=shard, done=1, counts=OutcomeCounts(failed=1)))
    await told.bus.nc.flush()
    await asyncio.sleep(0.1)
    said = await api.get(f"/runs/{run.run_id}/shards")
    assert said["states"] == "dd." and said["shards"] == 3 and said["agents"] == {"agent-0": 2}
    assert said["in_flight"] == [{"shard": 2, "agent_id": "agent-0", "done": 1, "samples": 2, "failed": 1}]
    assert (await api.ask("GET", "/runs/nothing-0/shards")).status == 404


async def test_failures_show_in_the_grid(api: Interface, told: Story) -> None:
    run = await opened(told, api, failed=1, shards=3)
    said = await api.get(f"/runs/{run.run_id}/shards")
    assert said["states"] == "ddf" and said["failed"] == {"2": 1}


async def test_failures_say_their_reasons(api: Interface, told: Story) -> None:
    run = await opened(told, api, failed=1, shards=3)
    nothing = await api.get(f"/runs/{run.run_id}/failures")
    assert nothing == {"failed": 1, "looked_at": 0, "reasons": []}
    said = io.BytesIO()
    rows = {"id": ["4", "5"], "outcome": ["answered", "failed"], "error": [None, "HTTP 500: <b>" + "x" * 1000]}
    pl.DataFrame(rows).write_parquet(said)
    await told.store.put(layout.answers_part(run.run_id, 2, f"{2:012x}{run.round}"), said.getvalue())
    found = await api.get(f"/runs/{run.run_id}/failures")
    (reason,) = found["reasons"]
    assert found["looked_at"] == 1 and reason["example"] == "5" and reason["samples"] == 1
    assert reason["reason"].startswith("HTTP 500: <b>x") and len(reason["reason"]) == 500


async def test_metrics_so_far_with_intervals_come_from_the_parts_that_are_scored(api: Interface, told: Story) -> None:
    run = await opened(told, api)
    assert (await api.get("/jobs/open/live-metrics"))[0]["shards_scored"] == 0
    await score(told, run, 0, ["abcd", "abxx"])
    await score(told, run, 2, ["xxxx", "xxxx"])  # of a shard that is not done: it does not count
    await asyncio.sleep(2.1)
    (so_far,) = await api.get("/jobs/open/live-metrics")
    assert so_far["shards_scored"] == 1 and so_far["samples"] == 6
    cer, bleu = so_far["metrics"]
    assert cer["metric"] == "cer" and cer["value"] == 0.25 and (cer["n"], cer["n_scored"]) == (2, 2)
    assert cer["ci_low"] <= 0.25 <= cer["ci_high"] and not cer["higher_is_better"]
    assert bleu["composite"] and bleu["value"] is None
    await score(told, run, 1, ["abcd", None])
    await asyncio.sleep(2.1)
    reads = 0
    get = told.store.get

    async def counted(key: str) -> bytes:
        nonlocal reads
        reads += "scores/" in key
        return await get(key)

    told.store.get = counted  # type: ignore[method-assign]
    asked = await asyncio.gather(*(api.get("/jobs/open/live-metrics") for _ in range(20)))
    cer = asked[0][0]["metrics"][0]
    assert reads == 1 and all(one == asked[0] for one in asked)
    assert (cer["n"], cer["n_scored"], cer["n_failed"]) == (4, 3, 1) and abs(cer["value"] - 1 / 6) < 1e-9


async def test_a_start_says_how_far_it_is_and_how_long_it_usually_takes(api: Interface, told: Story) -> None:
    await told.complete("before")
    run = (await told.states.runs(await told.submit("open")))[0]
    names: dict[str, Any] = {
        "job_id": "open",
        "backend_id": run.backend_id,
        "model": "m0",
        "agent_id": "a",
        "session": "s9",
    }
    claim = Claim(backend_id=run.backend_id, replica=0, agent_id="a", session="s9")
    await told.bus.claims.create(f"{run.backend_id}.0", claim)
    await told.bus.publish(events.BackendStarting(**names))
    await told.bus.live(BackendWarmup(**names, replica=0, phase="loading", fraction=0.5, seconds=3))
    starts = await until(api, "/jobs/open/backends", lambda starts: starts and starts[0]["warmup"])
    assert starts[0]["state"] == "starting" and starts[0]["usual_seconds"] == 1.5
    assert starts[0]["warmup"]["phase"] == "loading" and starts[0]["warmup"]["fraction"] == 0.5
    async with watching(api, "?job_id=open") as client:
        await client.until(lambda seen: bool(seen.of("live")))
        assert client.of("live")[0]["warmup"][0]["seconds"] == 3
    await told.bus.publish(events.BackendReady(**names, seconds=4))
    (start, *_) = await until(api, "/jobs/open/backends", lambda starts: starts[0]["state"] == "ready")
    assert start["warmup"] is None and start["seconds_to_ready"] == 4


async def test_a_backend_is_ready_as_long_as_its_agent_holds_it(api: Interface, told: Story) -> None:
    run = (await told.states.runs(await told.submit("open")))[0]
    names: dict[str, Any] = {"job_id": "open", "backend_id": run.backend_id, "model": "m0", "agent_id": "a"}
    key, claim = f"{run.backend_id}.0", Claim(backend_id=run.backend_id, replica=0, agent_id="a", session="s1")

    async def is_now(state: str) -> Any:
        starts = await until(api, "/jobs/open/backends", lambda starts: starts and starts[0]["state"] == state)
        listed = await api.get("/backends?job_id=open")
        assert (listed["items"][0]["state"], listed["items"][0]["reason"]) == (state, starts[0]["reason"])
        return starts[0]["reason"]

    async def does(*states: Any) -> None:
        sessions = tuple(
            SessionInfo(backend_id=run.backend_id, replica=0, model="m0", state=state, since=1.0) for state in states
        )
        await told.bus.agents.put("a", AgentInfo(agent_id="a", host="h", pid=1, started_at="", sessions=sessions))

    await told.bus.claims.create(key, claim)
    await told.bus.publish(events.BackendStarting(**names, session="s1"))
    await told.bus.publish(events.BackendReady(**names, session="s1", seconds=4))
    for said, state in (("serving", "ready"), ("idle", "idle"), ("stopping", "stopping"), ("serving", "ready")):
        await does(said)
        assert await is_now(state) is None
    # Killed: it announces nothing, and what it wrote in the buckets expires.
    await told.bus.claims.delete(key)
    await told.bus.agents.delete("a")
    assert await is_now("stopped") == "Agent a is not online any more."
    # Its next life holds the same replica by another session.
    await does("starting")
    await told.bus.claims.create(key, claim.model_copy(update={"session": "s2"}))
    await told.bus.publish(events.BackendStarting(**names, session="s2"))
    assert await is_now("starting") is None
    before = (await api.get("/jobs/open/backends"))[1]
    assert (before["session"], before["state"]) == ("s1", "stopped")


async def test_logs_come_to_who_asks_the_last_ones_first(api: Interface, told: Story) -> None:
    await told.submit("open")

    async def say(*texts: str, left_out: int = 0) -> None:
        lines = tuple(LogLine(at=time.time(), level="info", text=text) for text in texts)
        await told.bus.live(
            LogLines(job_id="open", source="engine", name="m0", session="s", lines=lines, left_out=left_out)
        )
        await told.bus.nc.flush()

    await say(*(f"early {n}" for n in range(700)))
    await say(*(f"later {n}" for n in range(700)))
    async with watching(api, "?job_id=open&logs=true") as client, watching(api, "?job_id=open") as other:
        await client.until(lambda seen: bool(seen.of("log")))
        first = client.of("log")[0]
        texts = [line["text"] for line in first["lines"]]
        assert first["first"] and len(texts) == 1000 and texts[-1] == "later 699"
        await say("fresh <b>", left_out=7)
        await client.until(lambda seen: len(seen.of("log")) > 1)
        second = client.of("log")[1]
        assert not second["first"] and [line["left_out"] for line in second["lines"]] == [7, 0]
        assert second["lines"][1]["text"] == "fresh <b>" and second["lines"][1]["name"] == "m0"
        await told.bus.publish(
            events.BackendStarting(job_id="open", backend_id="b", model="m", agent_id="a", session="s")
        )
        await other.until(lambda seen: bool(seen.events()))
        assert not other.of("log")


async def test_the_last_words_of_an_engine_can_be_fetched(api: Interface, told: Story) -> None:
    await told.store.put(layout.engine_log("b1", 0, "s1"), b"line 1\nline <2>\n")
    said = await api.ask("GET", "/backends/b1/0/s1/log")
    assert said.status == 200 and said.body == b"line 1\nline <2>\n"
    assert said.headers["Content-Type"].startswith("text/plain") and said.headers["X-Content-Type-Options"] == "nosniff"
    missing = await api.ask("GET", "/backends/b1/0/s2/log")
    assert missing.status == 404 and "has said nothing yet" in missing.json["detail"]


async def test_agents_with_what_they_hold_and_what_waits(api: Interface, told: Story) -> None:
    run = (await told.states.runs(await told.submit("open")))[0]
    await told.until_run(run.run_id, lambda state: not state.looking_up)
    said = await until(api, "/agents/overview", lambda said: said["waiting"])
    assert said["waiting"][0]["model"] == "m0" and said["waiting"][0]["words"] == "no agent is online"
    assert said["waiting"][0]["job_ids"] == ["open"] and said["waiting_total"] == 1
    session = SessionInfo(backend_id=run.backend_id, replica=0, model="m0", state="serving", since=1.0)
    await told.bus.agents.put(
        "a", AgentInfo(agent_id="a", host="h", pid=1, started_at="", sessions=(session,), backends={"openai": ()})
    )
    await told.bus.claims.create(
        f"{run.backend_id}.0", Claim(backend_id=run.backend_id, replica=0, agent_id="a", session="s")
    )
    telemetry = BackendTelemetry(
        job_id="open", backend_id=run.backend_id, model="m0", agent_id="a", replica=0, session="s", in_flight=3,
        requests_per_s=2.5, devices=1, device_memory_used=5, device_memory_total=10, device_use=0.5,
    )  # fmt: skip
    await told.bus.live(telemetry)
    await told.bus.nc.flush()
    await asyncio.sleep(0.1)
    said = await api.get("/agents/overview")
    assert not said["waiting"] and said["claims"][0]["agent_id"] == "a" and said["agents"][0]["host"] == "h"
    assert said["use"][0]["points"][0]["device_use"] == 0.5 and said["use"][0]["points"][0]["memory_used"] == 5
