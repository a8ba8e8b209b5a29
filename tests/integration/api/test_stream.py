"""Watching: in order, without gaps, gone on with after a break, and nobody slows anybody."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from interface import Interface, interface
from story import Story

from vhb_api.projection.projector import read
from vhb_shared.contracts import events
from vhb_shared.contracts.live import Notice, ShardProgress
from vhb_shared.contracts.results import OutcomeCounts


class Watcher:
    """One client: what it was sent."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.got: list[tuple[str, Any]] = []
        self.place = ""

    async def until(self, reached: Callable[["Watcher"], bool], seconds: float = 20) -> None:
        """Reads until something is so."""
        async with asyncio.timeout(seconds):
            while not reached(self):
                await self._one()

    async def _one(self) -> None:
        kind, data = "", ""
        while line := (await self._response.content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            kind = value if name == "event" else kind
            data = value if name == "data" else data
            self.place = value if name == "id" else self.place
        if kind:
            self.got.append((kind, json.loads(data)))

    def events(self) -> list[str]:
        return [data["id"] for kind, data in self.got if kind == "event"]

    def of(self, kind: str) -> list[Any]:
        return [data for known, data in self.got if known == kind]

    def ended(self, job_id: str) -> bool:
        return any(f"{job_id}:job.completed" in one for one in self.events())


@asynccontextmanager
async def watching(api: Interface, query: str = "", place: str | None = None) -> AsyncIterator[Watcher]:
    headers = {"Authorization": f"Bearer {api.admin}"} | ({"Last-Event-ID": place} if place else {})
    address = f"{api.address}/api/v1/stream{query}"
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 22) as session,
        session.get(address, headers=headers) as response,
    ):
        assert response.status == 200 and response.content_type == "text/event-stream"
        yield Watcher(response)


async def announced(told: Story, job_id: str | None = None) -> list[str]:
    """What the stream holds and clients are told one by one."""
    every = [read(message, seq) for seq, message in await told.stream()]
    return [
        one.event.id
        for one in every
        if one is not None and one.event.what != "run.shard.completed" and job_id in (None, one.event.job_id)
    ]


async def test_a_client_hears_everything_in_order_and_goes_on_after_a_break(api: Interface) -> None:
    async with watching(api, "?after=0") as first:
        await api.told.complete("one", models=2)
        await first.until(lambda watcher: watcher.ended("one"))
    assert first.events() == await announced(api.told)
    assert sum(sum(data["completed"].values()) for data in first.of("shards")) == 6
    await api.told.complete("two")  # nobody looks
    await api.until("two", "completed")
    async with watching(api, place=first.place) as second:
        await second.until(lambda watcher: watcher.ended("two"))
        await api.told.complete("three")
        await second.until(lambda watcher: watcher.ended("three"))
    assert first.events() + second.events() == await announced(api.told)
    async with watching(api, "?job_id=two&after=0") as other:
        await other.until(lambda watcher: watcher.ended("two"))
    assert other.events() == await announced(api.told, "two")
    said = await api.ask("GET", "/stream", headers={"Last-Event-ID": "x"})
    assert said.status == 400


async def test_a_client_goes_on_with_another_process(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with interface(told, tmp_path, monkeypatch) as api, watching(api, "?after=0") as first:
        await told.complete("one")
        await first.until(lambda watcher: len(watcher.events()) >= 3)
    await told.complete("two")
    async with interface(told, tmp_path, monkeypatch) as api, watching(api, place=first.place) as second:
        await second.until(lambda watcher: watcher.ended("two"))
    assert first.events() + second.events() == await announced(told)


async def test_thousands_of_messages_are_little_to_read(api: Interface) -> None:
    await api.told.complete("one")
    await api.until("one", "completed")
    async with watching(api, "?job_id=one") as watcher:
        await watcher.until(lambda watcher: True)
        for number in range(1000):
            common = {"job_id": "one", "run_id": "one-0", "shard": number % 4, "attempt": 0, "samples": 1000}
            counts = OutcomeCounts(answered=number)
            await api.told.bus.live(ShardProgress(**common, done=number, counts=counts, agent_id="a"))
        shards = [
            events.RunShardCompleted(
                job_id="one", run_id=f"one-{number % 2}", name="n", shard=number, attempt=0, token="t", part_key="k",
                sha256="s", counts=OutcomeCounts(answered=1), seconds=1, agent_id="a",
            )
            for number in range(100, 400)
        ]  # fmt: skip
        await asyncio.gather(*(api.told.bus.publish(shard) for shard in shards))
        await api.told.bus.live(Notice(job_id="one", source="agent", message="enough"))

        def all_there(watcher: Watcher) -> bool:
            # The three of the job itself may still be on their way when the client comes.
            counted = sum(sum(data["completed"].values()) for data in watcher.of("shards"))
            return 300 <= counted <= 303 and any(data["notices"] for data in watcher.of("live"))

        await watcher.until(all_there)
    latest = {each["shard"]: each["done"] for data in watcher.of("live") for each in data["progress"]}
    assert latest == {0: 996, 1: 997, 2: 998, 3: 999}
    assert len(watcher.got) < 40


async def test_who_missed_too_much_is_told_to_look_anew(api: Interface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vhb_api.rest.stream.BEHIND", 5)
    await api.told.complete("one")
    await api.until("one", "completed")
    async with watching(api, "?after=0") as watcher:
        await watcher.until(lambda watcher: bool(watcher.of("reset")))
        assert watcher.events() == []
        monkeypatch.undo()
        await api.told.complete("two")
        await watcher.until(lambda watcher: watcher.ended("two"))
    everything, heard = await announced(api.told), watcher.events()
    missed = everything.index(heard[0])
    assert missed > 0 and everything[missed : missed + len(heard)] == heard


async def test_a_client_that_does_not_read_is_dropped_and_slows_nobody(
    api: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_api.rest.stream.SEND_S", 1.0)
    monkeypatch.setattr("vhb_api.serving.STUCK_S", 0.5)
    place = urlsplit(api.address)
    assert place.hostname is not None and place.port is not None
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.settimeout(10)
        stuck.connect((place.hostname, place.port))
        stuck.sendall(
            f"GET /api/v1/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.admin}\r\n\r\n".encode()
        )
        async with watching(api) as watcher:
            await asyncio.sleep(0.5)
            big = ("x" * 1000,) * 40
            for number in range(300):
                await api.told.bus.publish(events.JobRejected(job_id=f"big-{number}", name="n", problems=big))
            await watcher.until(lambda watcher: len(watcher.events()) == 300)
            async with asyncio.timeout(15):
                while await _watching(api) != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        await asyncio.to_thread(_until_ended, stuck)
    assert watcher.events() == [f"big-{number}:job.rejected" for number in range(300)]


async def _watching(api: Interface) -> float:
    """How many clients there are."""
    lines = (await api.ask("GET", "//metrics")).body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("vhb_api_watching "))


def _until_ended(stuck: socket.socket) -> None:
    """Reads what had come before; what was not sent yet is never sent."""
    try:
        while stuck.recv(1 << 20):
            pass
    except ConnectionResetError:
        pass


async def test_clients_of_a_token_are_bounded_and_all_end_with_the_service(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_api.rest.stream.MOST_OF_A_TOKEN", 2)
    async with interface(told, tmp_path, monkeypatch) as api:
        async with watching(api) as one, watching(api) as other:
            await one.until(lambda watcher: True)
            await other.until(lambda watcher: True)
            await asyncio.sleep(0.2)
            said = await api.ask("GET", "/stream")
            assert said.status == 429
        headers = {"Authorization": f"Bearer {api.token('viewer')}"}
        session = aiohttp.ClientSession()
        left = await session.get(f"{api.address}/api/v1/stream", headers=headers)
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 20
    assert b"retry" in await left.content.read()
    await session.close()
