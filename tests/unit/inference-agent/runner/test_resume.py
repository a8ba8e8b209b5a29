"""What survives: kills, torn logs, lost hosts, retries of a job, cancellation."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from vhb_inference_agent.endpoint import BackendLost
from vhb_inference_agent.runner.adaptive import AdaptiveLimit
from vhb_shared.contracts.job import Generation
from vhb_shared.store import layout
from vhb_shared.testing.samples import store_samples


@pytest.fixture(autouse=True)
def all_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many requests at once as may be: on a busy machine fewer may be found to do, and the tests count them."""
    monkeypatch.setattr(AdaptiveLimit, "_set", lambda limit, places: None)


async def interrupted(desk: Any, endpoint: Any, run: Any, answered: int, linger_s: float = 0) -> set[int]:
    """Ends the work on a shard when all places hang: samples from `answered` (10 to 99) on get no reply.

    Returns:
        Which samples have an answer: nearly all before `answered`.
    """
    hanging = [{"match": f"question {number}", "action": "hang"} for number in range(answered, run.samples)]
    async with asyncio.timeout(30):
        while endpoint.stats()["in_flight"]:  # of an earlier interruption  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    rules = endpoint.control()["rules"]
    endpoint.control(rules=[*hanging, *rules])
    full_since: list[float] = []

    def should_stop() -> bool:
        if not full_since and endpoint.stats()["in_flight"] == desk.concurrency:
            full_since.append(time.monotonic())
        return bool(full_since) and time.monotonic() - full_since[0] >= 0.3 + linger_s

    async with desk.runner() as runner:
        assert await runner.answer(run, desk.work(), should_stop) is None
    endpoint.control(rules=rules)
    kept = {json.loads(line)["answer"]["index"] for line in log_of(desk).read_bytes().splitlines()}
    assert kept and kept <= set(range(answered))
    return kept


def log_of(desk: Any) -> Path:
    (log,) = (desk.state_dir / "checkpoints").iterdir()
    return log


async def test_only_what_was_in_flight_is_asked_again(desk, endpoint) -> None:
    run = desk.run(await store_samples(desk.store, 64))
    kept = await interrupted(desk, endpoint, run, answered=24)
    assert endpoint.stats()["total"] == len(kept) + desk.concurrency
    event = await desk.answer(run, desk.work(attempt=2))
    rows = await desk.rows(event)
    assert [row["id"] for row in rows] == [f"s{number:05d}" for number in range(64)]
    assert event.counts.answered == 64
    stats = endpoint.stats()
    assert len(stats["by_key"]) == 64
    assert stats["total"] == 64 + desk.concurrency
    assert not list((desk.state_dir / "checkpoints").iterdir())


async def test_repetitions_survive_like_any_row(desk, endpoint) -> None:
    """Each repetition is resumed as itself: none is asked twice, none takes the answer of another."""
    run = desk.run(
        await store_samples(desk.store, 16),
        samples=64,
        task={"epochs": 4},
        generation=Generation(temperature=1, seed=5),
    )
    endpoint.control(echo=True, rules=[{"match": f"question {n}", "action": "hang"} for n in range(10, 16)])
    until = time.monotonic() + 20

    def should_stop() -> bool:
        return endpoint.stats()["in_flight"] == desk.concurrency and endpoint.stats()["total"] >= 40 + desk.concurrency

    async with desk.runner() as runner:
        assert await runner.answer(run, desk.work(), lambda: should_stop() or time.monotonic() > until) is None
    kept = [json.loads(line)["answer"] for line in log_of(desk).read_bytes().splitlines()]
    assert len(kept) == len({answer["id"] for answer in kept}) == 40
    endpoint.control(rules=[], reset=True)
    rows = await desk.rows(await desk.answer(run, desk.work(attempt=2)))
    assert endpoint.stats()["total"] == 24
    assert [row["index"] for row in rows] == list(range(64))
    for row in rows:
        sample, epoch = divmod(row["index"], 4)
        assert row["id"] == f"s{sample:05d}" + (f"~e{epoch + 1}" if epoch else "")
        asked = json.loads(row["model_answer"])
        assert (asked["seed"], asked["messages"][-1][-1]) == (5 + epoch, f"question {sample}")


async def test_a_torn_last_line_costs_one_answer(desk, endpoint, monkeypatch) -> None:
    monkeypatch.setattr("vhb_inference_agent.runner.checkpoint.UPLOAD_EVERY_S", 60)  # or a segment would hold it too
    run = desk.run(await store_samples(desk.store, 32))
    kept = await interrupted(desk, endpoint, run, answered=20)
    log = log_of(desk)
    log.write_bytes(log.read_bytes()[:-30])
    endpoint.control(reset=True)
    await desk.answer(run)
    assert endpoint.stats()["total"] == 32 - len(kept) + 1


async def test_lines_after_a_torn_one_are_not_lost(desk, endpoint) -> None:
    run = desk.run(await store_samples(desk.store, 32))
    before = await interrupted(desk, endpoint, run, answered=12)
    log = log_of(desk)
    os.truncate(log, log.stat().st_size - 7)
    after = await interrupted(desk, endpoint, run, answered=24)
    assert len(after) >= len(before) + 8  # and every line could be read


async def test_changed_requests_are_asked_again(desk, endpoint) -> None:
    dataset = await store_samples(desk.store, 20)
    await interrupted(desk, endpoint, desk.run(dataset), answered=12)
    endpoint.control(reset=True)
    await desk.answer(desk.run(dataset, generation=Generation(temperature=0.7)))
    assert endpoint.stats()["total"] == 20


async def test_segments_survive_the_loss_of_the_host(desk, endpoint, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("vhb_inference_agent.runner.checkpoint.UPLOAD_EVERY_S", 0.05)
    run = desk.run(await store_samples(desk.store, 64))
    kept = await interrupted(desk, endpoint, run, answered=40, linger_s=2)
    prefix = layout.checkpoint_shard_prefix("run", 0)
    assert [info async for info in desk.store.list(prefix)]
    desk.state_dir = tmp_path / "another-host"
    endpoint.control(reset=True)
    event = await desk.answer(run, desk.work(attempt=2))
    assert event.counts.answered == 64
    assert endpoint.stats()["total"] == 64 - len(kept)
    assert not [info async for info in desk.store.list(prefix)]


async def test_retry_asks_only_what_failed(desk, endpoint) -> None:
    run = desk.run(await store_samples(desk.store, 64))
    endpoint.control(rules=[{"match": "question 13", "status": 400}])
    first = await desk.answer(run)
    assert (first.counts.answered, first.counts.failed) == (63, 1)
    rows = await desk.rows(first)
    assert [row["id"] for row in rows if row["outcome"] == "failed"] == ["s00013"]
    endpoint.control(reset=True, rules=[])
    second = await desk.answer(run, desk.work(attempt=2, keep=first.token), round=1)
    assert second.counts.answered == 64 and second.round == 1
    assert endpoint.stats()["total"] == 1
    assert second.token != first.token


async def test_failures_are_resumed_in_their_round_and_asked_again_in_the_next(desk, endpoint) -> None:
    endpoint.control(rules=[{"match": "question", "status": 400}])
    run = desk.run(await store_samples(desk.store, 24))
    before = await interrupted(desk, endpoint, run, answered=12)
    endpoint.control(reset=True)
    after = await interrupted(desk, endpoint, run, answered=16)
    assert before < after
    assert endpoint.stats()["total"] == len(after) - len(before) + desk.concurrency
    endpoint.control(reset=True, rules=[])
    event = await desk.answer(run, round=1)
    assert event.counts.answered == 24 and endpoint.stats()["total"] == 24


async def test_the_part_is_the_same_for_the_same_rows(desk, endpoint) -> None:
    run = desk.run(await store_samples(desk.store, 8))
    first = await desk.answer(run)
    again = await desk.answer(run, desk.work(attempt=2, keep=first.token))
    assert (again.token, again.sha256, again.part_key) == (first.token, first.sha256, first.part_key)
    assert first.sha256.startswith(first.token)


async def test_a_kill_before_the_announcement_asks_nothing_again(desk, endpoint) -> None:
    run = desk.run(await store_samples(desk.store, 8))
    first = await desk.answer(run, announced=False)
    again = await desk.answer(run, desk.work(attempt=2))
    assert again.token == first.token
    assert endpoint.stats()["total"] == 8


async def test_cancelled_at_once(desk, endpoint) -> None:
    endpoint.control(rules=[{"action": "hang"}])
    run = desk.run(await store_samples(desk.store, 8))
    stop = asyncio.Event()
    async with desk.runner() as runner:
        work = asyncio.create_task(runner.answer(run, desk.work(), stop.is_set))
        await asyncio.sleep(0.3)
        stop.set()
        assert await asyncio.wait_for(work, 2) is None
    assert not [info async for info in desk.store.list("runs/")]


async def test_a_lost_backend_fails_no_sample(desk, endpoint) -> None:
    run = desk.run(await store_samples(desk.store, 32))
    await interrupted(desk, endpoint, run, answered=16)
    endpoint.control(rules=[{"action": "drop"}])
    desk.backend.lost = True
    with pytest.raises(BackendLost):
        await desk.answer(run)
    desk.backend.lost = False
    endpoint.control(rules=[])
    event = await desk.answer(run)
    assert event.counts.answered == 32


async def test_attempts_that_a_dying_backend_broke_do_not_count(desk, endpoint) -> None:
    endpoint.control(rules=[{"action": "drop"}])
    desk.backend.restarts = 5
    desk.backend.on_restart = lambda: desk.backend.restarts == 0 and endpoint.control(rules=[]) and None
    run = desk.run(await store_samples(desk.store, 1))
    (row,) = await desk.rows(await desk.answer(run))
    assert (row["outcome"], row["attempts"]) == ("answered", 1)
    assert desk.backend.asked_about == 5


async def test_another_agent_of_the_host_finds_what_a_killed_one_left(desk, endpoint, monkeypatch) -> None:
    monkeypatch.setattr("vhb_inference_agent.runner.checkpoint.UPLOAD_EVERY_S", 60)  # only on this disk
    run = desk.run(await store_samples(desk.store, 64))
    kept = await interrupted(desk, endpoint, run, answered=40)
    desk.agent_id = "agent-2"
    endpoint.control(reset=True)
    event = await desk.answer(run, desk.work(attempt=2))
    assert event.counts.answered == 64
    assert endpoint.stats()["total"] == 64 - len(kept)
    assert not list((desk.state_dir / "checkpoints").iterdir())


async def test_an_announced_shard_that_comes_back_asks_nothing(desk, endpoint) -> None:
    """The scheduler died before it committed the shard, the agent before it acknowledged the work."""
    run = desk.run(await store_samples(desk.store, 64))
    first = await desk.answer(run, announced=False)
    async with desk.runner() as runner:
        assert await runner.kept() == {("run", 0)}
    desk.agent_id = "agent-2"
    again = await desk.answer(run, desk.work(attempt=1))
    assert endpoint.stats()["total"] == 64
    assert (again.token, again.sha256) == (first.token, first.sha256)
