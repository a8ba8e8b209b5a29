"""Delivery on a real server: retries, dead letters, restarts, duplicates."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from vhb_shared.bus import handling
from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import make_broker
from vhb_shared.bus.handling import subscribe
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import CancelJob
from vhb_shared.contracts.events import JobEvaluated
from vhb_shared.errors import Unavailable
from vhb_shared.testing.nats_server import NatsServer

Handler = Callable[[CancelJob], Awaitable[None]]


@asynccontextmanager
async def serving(
    server: NatsServer,
    bus: Bus,
    handler: Handler,
    give_up: Callable[[CancelJob, Exception], Awaitable[None]] | None = None,
) -> AsyncIterator[None]:
    broker = make_broker(server.settings, "test", graceful_timeout_s=1)
    subscribe(broker, bus, topology.SCHEDULER_CANCEL, CancelJob, handler, give_up=give_up)
    await broker.start()
    try:
        yield
    finally:
        await broker.stop()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def waiting(bus: Bus) -> int:
    return (await bus.js.stream_info(topology.WORK)).state.messages


async def until_empty(bus: Bus) -> None:
    async with asyncio.timeout(30):
        while True:
            if not await waiting(bus):
                return
            await asyncio.sleep(0.05)


async def test_a_handled_message_is_gone(server: NatsServer, bus: Bus) -> None:
    seen: list[str] = []

    async def handle(command: CancelJob) -> None:
        seen.append(command.job_id)

    async with serving(server, bus, handle):
        await bus.command(subjects.CANCEL, CancelJob(job_id="a"), "cancel:a")
        await bus.command(subjects.CANCEL, CancelJob(job_id="a"), "cancel:a")
        await until(lambda: bool(seen))
        await asyncio.sleep(0.3)
    assert seen == ["a"]
    assert await waiting(bus) == 0


async def test_errors_are_retried_then_dead_lettered_with_the_reason(
    server: NatsServer, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "MAX_ERRORS", 2)
    tries: list[str] = []
    given_up: list[str] = []

    async def handle(command: CancelJob) -> None:
        tries.append(command.job_id)
        raise ValueError("no such thing")

    async def give_up(command: CancelJob, error: Exception) -> None:
        given_up.append(f"{command.job_id}: {error}")

    async with serving(server, bus, handle, give_up):
        await bus.command(subjects.CANCEL, CancelJob(job_id="a"), "cancel:a")
        await until(lambda: bool(given_up))
        await asyncio.sleep(0.3)
    assert tries == ["a", "a"]
    assert given_up == ["a: no such thing"]
    assert await waiting(bus) == 0
    letter = await bus.js.get_last_msg(topology.DLQ, subjects.dlq(topology.WORK, "scheduler--cancel"))
    assert letter.headers is not None
    assert letter.headers["vhb-reason"] == "ValueError: no such thing"
    assert letter.headers["vhb-subject"] == subjects.CANCEL
    assert CancelJob.model_validate_json(letter.data or b"").job_id == "a"


async def test_a_message_that_is_none_of_ours_is_dead_lettered_at_once(server: NatsServer, bus: Bus) -> None:
    async def handle(command: CancelJob) -> None:
        raise AssertionError("must not be called")

    async with serving(server, bus, handle):
        await bus.js.publish(subjects.CANCEL, b"\x00junk", stream=topology.WORK)
        await until_empty(bus)
    letter = await bus.js.get_last_msg(topology.DLQ, subjects.dlq(topology.WORK, "scheduler--cancel"))
    assert letter.data == b"\x00junk"


async def test_waiting_for_something_unavailable_counts_no_attempt(
    server: NatsServer, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "MAX_ERRORS", 2)
    tries: list[str] = []

    async def handle(command: CancelJob) -> None:
        tries.append(command.job_id)
        if len(tries) < 4:
            raise Unavailable("storage is away")

    async with serving(server, bus, handle):
        await bus.command(subjects.CANCEL, CancelJob(job_id="a"), "cancel:a")
        await until(lambda: len(tries) == 4)
        await asyncio.sleep(0.3)
    assert await waiting(bus) == 0
    assert (await bus.js.stream_info(topology.DLQ)).state.messages == 0


async def test_a_server_killed_in_the_middle_loses_nothing(server: NatsServer, bus: Bus) -> None:
    seen: list[str] = []

    async def handle(command: CancelJob) -> None:
        await asyncio.sleep(0.2)
        seen.append(command.job_id)

    async with serving(server, bus, handle):
        names = [f"job-{number}" for number in range(10)]
        for name in names:
            await bus.command(subjects.CANCEL, CancelJob(job_id=name), f"cancel:{name}")
        await until(lambda: len(seen) >= 2)
        await server.kill()
        await asyncio.sleep(0.5)
        await server.start()
        await until(lambda: set(seen) == set(names), 45)
        await until_empty(bus)
    # At least once: only what was in hand when the server died may have come again.
    assert len(seen) <= len(names) + 1


async def test_events_are_cloudevents_and_repeats_are_dropped(bus: Bus) -> None:
    event = JobEvaluated(job_id="j", name="n")
    await bus.publish(event)
    await bus.publish(event)
    assert (await bus.js.stream_info(topology.EVENTS)).state.messages == 1
    message = await bus.js.get_last_msg(topology.EVENTS, "vhb.events.j.job.evaluated")
    headers = message.headers or {}
    assert headers["ce-type"] == "org.vlmhyperbench.job.evaluated.v1"
    assert headers["ce-id"] == headers["Nats-Msg-Id"] == event.id
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-source"] == "/test"
