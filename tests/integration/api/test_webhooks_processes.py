"""Webhooks of services that are killed, of several at once, and of a database that is made anew."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from interface import interface
from receiver import Came, receiver
from story import Story
from test_service import service

from vhb_api.db.database import Database
from vhb_api.projection.projector import Projector
from vhb_api.projection.stored import StoredJobs
from vhb_shared.contracts import events

LOOPBACK = "127.0.0.0/8"
ADMIN = "t" * 43


async def _ask(folder: Path, method: str, path: str, **options: object) -> dict[str, str]:
    """A request of the service that listens now, as soon as one does."""
    async with asyncio.timeout(60), aiohttp.ClientSession(headers={"Authorization": f"Bearer {ADMIN}"}) as session:
        while True:
            try:
                address = (folder / "address").read_text()
                async with session.request(method, f"{address}/api/v1{path}", **options) as response:  # type: ignore[arg-type]
                    found: dict[str, str] = await response.json()
                    return found
            except (OSError, aiohttp.ClientError):
                await asyncio.sleep(0.05)


def _settings(folder: Path, database: str) -> dict[str, str]:
    (folder / "admin").write_text(ADMIN)
    (folder / "key").write_text("k" * 43)
    return {
        "VHB_API_DATABASE": database,
        "VHB_API_PORT": "0",
        "VHB_API_ADDRESS_FILE": str(folder / "address"),
        "VHB_API_ADMIN_TOKEN_FILE": str(folder / "admin"),
        "VHB_API_WEBHOOKS_PRIVATE": LOOPBACK,
        "VHB_API_WEBHOOKS_KEY_FILE": str(folder / "key"),
        "VHB_API_WEBHOOKS_TIMEOUT_S": "1",
    }


async def _announce(told: Story, numbers: range) -> set[str]:
    """Events that no scheduler is needed for. Returns their ids."""
    ids = set()
    for number in numbers:
        event = events.JobAccepted(job_id=f"j{number}", name=f"j{number}", runs=())
        await told.bus.publish(event)
        ids.add(event.id)
    return ids


@pytest.mark.slow
async def test_a_service_that_is_killed_loses_nothing(told: Story, tmp_path: Path) -> None:
    """Killed at moments that nobody chose, between all that is written and sent; under each id comes one event."""
    chance = random.Random(5)
    settings = _settings(tmp_path, f"sqlite:///{tmp_path}/api.db")
    webhook = {"name": "all", "kinds": ["job.accepted"]}
    wanted: set[str] = set()
    async with receiver() as there:

        async def slow(came: Came) -> aiohttp.web.Response:
            await asyncio.sleep(0.02)
            return aiohttp.web.Response(status=204)

        there.answer = slow
        with service(told, tmp_path, **settings):
            made = await _ask(tmp_path, "POST", "/webhooks", json=webhook | {"url": there.url})
        for turn in range(3):
            with service(told, tmp_path, **settings) as process:
                wanted |= await _announce(told, range(40 * turn, 40 * turn + 40))
                before = len(there.came)
                # Somewhere in the middle of it.
                await there.until(lambda came, before=before: len(came) > before + 3)
                await asyncio.sleep(chance.random() * 0.3)
                process.kill()
                process.wait()
        with service(told, tmp_path, **settings) as process:
            await there.until(lambda came: {one.event["id"] for one in came} >= wanted, 60)
            await asyncio.sleep(1.5)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 20) == 0
        assert {one.event["id"] for one in there.came} == wanted
        assert len({(one.id, one.text) for one in there.came}) == len({one.id for one in there.came}) == len(wanted)
        for one in there.came:
            one.verify(made["secret"])
        repeated = {id_: times for id_, times in Counter(one.id for one in there.came).items() if times > 1}
        assert len(repeated) <= 3 * 4, f"only what was on its way comes twice: {repeated}"


@pytest.mark.slow
async def test_two_services_on_one_database_deliver_once(told: Story, tmp_path: Path, fresh_postgres: str) -> None:
    settings = _settings(tmp_path, fresh_postgres)
    async with receiver() as there:
        with service(told, tmp_path, **settings), service(told, tmp_path, **settings):
            webhook = {"name": "all", "kinds": ["job.accepted"], "url": there.url}
            await _ask(tmp_path, "POST", "/webhooks", json=webhook)
            wanted: set[str] = set()
            for turn in range(4):
                wanted |= await _announce(told, range(50 * turn, 50 * turn + 50))
                await asyncio.sleep(0.2)
            await there.until(lambda came: {one.event["id"] for one in came} >= wanted, 60)
            await asyncio.sleep(1.5)
            assert len(there.came) == len(wanted)


@pytest.mark.slow
async def test_what_a_rebuild_finds_first_is_delivered_all_the_same(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as there:
        async with interface(told, tmp_path, monkeypatch, WEBHOOKS_PRIVATE=LOOPBACK) as api:
            await _announce(told, range(1))
            await api.until("j0", "running")
            asked = {"name": "all", "kinds": ["job.accepted"], "url": there.url}
            assert (await api.ask("POST", "/webhooks", json=asked)).status == 201
        await _announce(told, range(1, 2))
        database = Database(f"sqlite:///{tmp_path}/api.db")
        await Projector(told.bus, database, StoredJobs(told.bus, told.store)).rebuild()
        database.close()
        async with interface(told, tmp_path, monkeypatch, WEBHOOKS_PRIVATE=LOOPBACK):
            await there.until(lambda came: len(came) >= 1)
            await _announce(told, range(2, 3))
            await there.until(lambda came: len(came) >= 2)
        assert [one.event["data"]["job_id"] for one in there.came] == ["j1", "j2"]


@pytest.mark.slow
async def test_with_another_key_nothing_is_sent_until_a_secret_is_made_with_it(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    wanted = {"WEBHOOKS_PRIVATE": LOOPBACK, "WEBHOOKS_KEY_FILE": str(key)}
    async with receiver() as there:
        for letter in "kl":
            key.write_text(letter * 40)
            async with interface(told, tmp_path, monkeypatch, **wanted) as api:
                if letter == "k":
                    asked = {"name": "all", "kinds": ["job.accepted"], "url": there.url}
                    made = (await api.ask("POST", "/webhooks", json=asked)).json
                    continue
                path = f"/webhooks/{made['webhook_id']}"
                await api.ask("POST", f"{path}/ping")
                page: dict[str, list[dict[str, str]]] = {"items": []}
                async with asyncio.timeout(10):
                    while not page["items"]:
                        page = await api.get(f"{path}/deliveries?state=failed")
                assert "make a new secret" in page["items"][0]["error"] and not there.came
                renewed = (await api.ask("POST", f"{path}/secret")).json
                await api.ask("POST", f"{path}/ping")
                (came,) = await there.until(lambda came: len(came) == 1)
                came.verify(renewed["secret"])
                assert " " not in came.headers["webhook-signature"], "there is no former secret to sign with"
