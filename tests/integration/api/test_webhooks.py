"""Webhooks: who is told of what, how it is signed, and what becomes of it when nobody takes it."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from interface import Interface, interface
from receiver import Came, Receiver, answering, receiver
from standardwebhooks import WebhookVerificationError
from story import story

from vhb_api.projection.projector import Projector
from vhb_api.projection.stored import StoredJobs
from vhb_shared.contracts import events

pytestmark = pytest.mark.asyncio(loop_scope="module")

Named = Callable[[str], str]
LOOPBACK = "127.0.0.0/8"
ENDS = ["job.completed", "job.failed", "job.cancelled"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def hooks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Interface]:
    """One service for all tests here; each tells jobs of its own."""
    folder = tmp_path_factory.mktemp("hooks")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vhb_api.webhooks.dispatcher.POLL_S", 0.2)
        async with (
            story(folder) as told,
            interface(told, folder, patched, WEBHOOKS_PRIVATE=LOOPBACK, WEBHOOKS_TIMEOUT_S="2") as started,
        ):
            yield started


@pytest_asyncio.fixture(loop_scope="module")
async def there(hooks: Interface) -> AsyncIterator[Receiver]:
    async with receiver() as listening:
        yield listening
    for webhook in await hooks.get("/webhooks"):
        await hooks.ask("DELETE", f"/webhooks/{webhook['webhook_id']}")


@pytest_asyncio.fixture(loop_scope="module")
async def job(request: pytest.FixtureRequest) -> Named:
    """Ids of this test's jobs."""
    number = zlib.crc32(request.node.name.encode())
    return lambda name: f"{name}-{number:x}"


async def made(api: Interface, url: str, kinds: list[str] = ENDS, **more: Any) -> Any:
    said = await api.ask("POST", "/webhooks", json={"name": "ci", "url": url, "kinds": kinds} | more)
    assert said.status == 201, said
    return said.json


async def deliveries(api: Interface, webhook: Any, query: str = "") -> Any:
    return (await api.get(f"/webhooks/{webhook['webhook_id']}/deliveries?{query}"))["items"]


async def listed(api: Interface, webhook: Any, query: str, wanted: int) -> Any:
    """Its deliveries, as soon as there are so many."""
    async with asyncio.timeout(10):
        while True:
            found = await deliveries(api, webhook, query)
            if len(found) >= wanted:
                return found
            await asyncio.sleep(0.05)


async def settled(api: Interface, webhook: Any, wanted: int = 1) -> Any:
    """The deliveries, as soon as so many of them have been tried."""
    async with asyncio.timeout(20):
        while True:
            found = await deliveries(api, webhook)
            if len([one for one in found if one["attempts"]]) >= wanted:
                return found
            await asyncio.sleep(0.05)


async def test_who_asked_is_told_once_what_the_bus_says_and_can_check_it(
    hooks: Interface, there: Receiver, job: Named
) -> None:
    webhook = await made(hooks, there.url)
    assert webhook["secret"].startswith("whsec_")
    other = await made(hooks, there.url + "/filtered", kinds=["run.evaluation.completed"], job_name="EC", model="m1")
    await hooks.told.complete(job("first"))
    await hooks.told.complete(job("second"), models=2)
    await there.until(lambda came: len(came) >= 3)
    await hooks.until(job("second"), "completed")
    await asyncio.sleep(0.6)  # what should not come has had the time to
    ends = [one for one in there.came if one.event["type"] == "org.vlmhyperbench.job.completed.v1"]
    assert [one.event["data"]["job_id"] for one in ends] == [job("first"), job("second")]
    rest = [one for one in there.came if one not in ends]
    assert [(one.event["data"]["job_id"], one.event["data"]["run_id"]) for one in rest] == [
        (job("second"), f"{job('second')}-1")
    ]
    for one in ends:
        assert one.verify(webhook["secret"]) == one.event
        with pytest.raises(WebhookVerificationError):
            one.verify(other["secret"])
        assert one.headers["content-type"] == "application/json"
    stored = {message.headers["ce-id"]: message for _, message in await hooks.told.stream() if message.headers}
    for one in there.came:
        message = stored[one.event["id"]]
        attributes = {key: value for key, value in one.event.items() if key not in ("data", "datacontenttype")}
        assert attributes == {
            key.removeprefix("ce-"): value for key, value in message.headers.items() if key.startswith("ce-")
        }
        assert one.event["data"] == json.loads(message.data)
    assert webhook["secret"] not in json.dumps(await hooks.get("/webhooks"))


async def test_what_is_kept_makes_no_signature(hooks: Interface, there: Receiver) -> None:
    webhook = await made(hooks, there.url)
    database = hooks.database.file
    assert database is not None
    key = database.with_name("api.db.webhooks-key")
    assert key.stat().st_mode & 0o077 == 0
    kept = b"".join(file.read_bytes() for file in database.parent.glob("api.db*") if file != key)
    assert webhook["webhook_id"].encode() in kept
    assert webhook["secret"].removeprefix("whsec_").encode() not in kept


@pytest.mark.slow
async def test_jobs_that_metrics_ask_are_told_only_to_who_wants_them(
    hooks: Interface, there: Receiver, job: Named
) -> None:
    await made(hooks, there.url, kinds=["job.accepted"])
    await made(hooks, there.url, kinds=["job.accepted"], judges=True)
    for job_id, asked_by in (("judged", "done-0"), ("plain", None)):
        accepted = events.JobAccepted(job_id=job(job_id), name=job_id, runs=(), asked_by=asked_by)
        await hooks.told.bus.publish(accepted)
    await there.until(lambda came: len(came) >= 3)
    await asyncio.sleep(0.6)
    assert sorted(one.event["data"]["name"] for one in there.came) == ["judged", "plain", "plain"]


async def test_what_was_not_taken_is_sent_again_under_its_id(
    hooks: Interface, there: Receiver, job: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_api.webhooks.schedule.DELAYS_S", (0.1, 0.1))
    there.answer = answering(500, 302, 204, headers={"Location": there.url + "/elsewhere"}, text="x" * 5000)
    webhook = await made(hooks, there.url)
    await hooks.told.complete(job("one"))
    came = await there.until(lambda came: len(came) >= 3)
    assert len({one.id for one in came}) == 1 and len({one.text for one in came}) == 1
    for one in came:
        one.verify(webhook["secret"])
    (entry,) = await settled(hooks, webhook)
    (entry,) = await listed(hooks, webhook, "state=delivered", 1)
    assert (entry["state"], entry["attempts"], entry["status"], entry["error"]) == ("delivered", 3, 204, None)
    assert entry["delivery_id"] == came[0].id and entry["seconds"] > 0
    there.answer = answering(500, text="why\0 " * 1000)
    await hooks.told.complete(job("two"))
    await there.until(lambda came: len(came) >= 6)
    failed = await listed(hooks, webhook, "state=failed", 1)
    details = await hooks.get(f"/webhooks/{webhook['webhook_id']}/deliveries/{failed[0]['delivery_id']}")
    assert (details["attempts"], details["status"], details["error"]) == (3, 500, "It answered 500.")
    assert len(details["response"]) == 1024 and details["body"] == there.came[-1].text
    shown = await hooks.get(f"/webhooks/{webhook['webhook_id']}")
    assert shown["failing_since"] is not None and shown["enabled"] and shown["last_success_at"] is not None
    text = (await hooks.ask("GET", "//metrics")).body.decode()
    assert 'vhb_api_webhook_attempts_total{result="failed"}' in text


async def test_a_retry_waits_as_long_as_the_receiver_asks(hooks: Interface, there: Receiver, job: Named) -> None:
    there.answer = answering(503, headers={"Retry-After": "3600"})
    webhook = await made(hooks, there.url)
    await hooks.told.complete(job("one"))
    (entry,) = await settled(hooks, webhook)
    wait = datetime.fromisoformat(entry["due_at"]) - datetime.now(UTC)
    assert entry["state"] == "waiting" and timedelta(minutes=59) < wait <= timedelta(minutes=60)


async def test_who_wants_no_more_or_fails_for_days_is_disabled_and_it_is_said_why(
    hooks: Interface, there: Receiver, job: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.answer = answering(410)
    gone = await made(hooks, there.url)
    await hooks.told.complete(job("one"))
    await settled(hooks, gone)
    said = await hooks.get(f"/webhooks/{gone['webhook_id']}")
    assert not said["enabled"] and "410" in said["disabled_reason"]
    monkeypatch.setattr("vhb_api.webhooks.queue.GIVE_UP_S", -1)
    there.answer = answering(500)
    failing = await made(hooks, there.url)
    await hooks.told.complete(job("two"))
    await settled(hooks, failing)
    said = await hooks.get(f"/webhooks/{failing['webhook_id']}")
    assert not said["enabled"] and "Nothing was taken" in said["disabled_reason"]
    assert len(await deliveries(hooks, gone)) == 1, "events go to who is enabled"
    # Enabled again, what waits goes out.
    there.answer = None
    changed = await hooks.ask("PATCH", f"/webhooks/{gone['webhook_id']}", json={"enabled": True})
    assert changed.json["enabled"] and changed.json["disabled_reason"] is None
    (entry,) = await deliveries(hooks, gone)
    replayed = await hooks.ask("POST", f"/webhooks/{gone['webhook_id']}/deliveries/{entry['delivery_id']}/replay")
    assert replayed.status == 200
    await there.until(lambda came: came[-1].id == entry["delivery_id"] and len(came) == 3)


@pytest.mark.slow
async def test_a_dead_receiver_holds_up_nobody(hooks: Interface, there: Receiver, job: Named) -> None:
    async def silent(came: Came) -> Any:
        await asyncio.sleep(60)

    async with receiver() as dead:
        dead.answer = silent
        webhook = await made(hooks, dead.url, kinds=["run.shard.completed", "job.completed"])
        await made(hooks, there.url, kinds=["job.completed"])
        loop = asyncio.get_running_loop()
        for job_id in (job("one"), job("two")):
            await hooks.told.complete(job_id)
            began = loop.time()
            await hooks.until(job_id, "completed")
            assert loop.time() - began < 1.5
            await there.until(lambda came, job_id=job_id: came and came[-1].event["data"]["job_id"] == job_id, 1.5)
        assert 0 < len(dead.came) <= 8, "a bounded number is on its way at a time"
        found = await settled(hooks, webhook)
        errors = {one["error"] for one in found if one["attempts"]}
        assert errors == {"No answer within 2 s."}
        assert (await hooks.ask("DELETE", f"/webhooks/{webhook['webhook_id']}")).status == 204


@pytest.mark.slow
async def test_a_rebuild_delivers_nothing_again(hooks: Interface, there: Receiver, job: Named) -> None:
    webhook = await made(hooks, there.url, kinds=["job.accepted", *ENDS])
    await hooks.told.complete(job("one"))
    await there.until(lambda came: len(came) == 2)
    jobs = StoredJobs(hooks.told.bus, hooks.told.store)
    projector = Projector(hooks.told.bus, hooks.database, jobs)
    await projector.rebuild()
    # Announced again, long after: the bus has forgotten, the database has not.
    again = [message for _, message in await hooks.told.stream() if message.subject.endswith("job.completed")]
    headers = {key: value for key, value in (again[0].headers or {}).items() if key.startswith("ce-")}
    await hooks.told.bus.js.publish(again[0].subject, again[0].data, headers=headers)
    await hooks.told.complete(job("two"))
    await there.until(lambda came: len(came) >= 4)
    await asyncio.sleep(0.6)
    assert len(there.came) == 4 and len({one.id for one in there.came}) == 4
    assert len(await deliveries(hooks, webhook)) == 4


async def test_it_can_be_tried_and_what_failed_be_sent_again(hooks: Interface, there: Receiver, job: Named) -> None:
    webhook = await made(hooks, there.url)
    path = f"/webhooks/{webhook['webhook_id']}"
    await hooks.ask("PATCH", path, json={"enabled": False})
    ping = await hooks.ask("POST", f"{path}/ping")
    assert ping.status == 202 and ping.json["state"] == "waiting"
    (came,) = await there.until(lambda came: len(came) == 1)
    assert came.verify(webhook["secret"])["type"] == "org.vlmhyperbench.ping.v1" and came.id == ping.json["delivery_id"]
    await hooks.ask("PATCH", path, json={"enabled": True})
    there.answer = answering(500)
    since = datetime.now(UTC).isoformat()
    await hooks.told.complete(job("one"))
    await hooks.told.complete(job("two"))
    await settled(hooks, webhook, 3)
    there.answer = None
    said = await hooks.ask("POST", f"{path}/replay", json={"since": since})
    assert said.status == 200 and said.json == {"count": 2}
    await there.until(lambda came: len(came) == 5)
    await listed(hooks, webhook, "state=delivered", 3)
    page = await hooks.get(f"{path}/deliveries?limit=2")
    rest = await hooks.get(f"{path}/deliveries?limit=2&cursor={page['next']}")
    assert [one["what"] for one in page["items"] + rest["items"]] == ["job.completed", "job.completed", "ping"]


async def test_a_new_secret_and_the_one_before_are_good_for_a_day(hooks: Interface, there: Receiver) -> None:
    webhook = await made(hooks, there.url)
    path = f"/webhooks/{webhook['webhook_id']}"
    renewed = (await hooks.ask("POST", f"{path}/secret")).json
    assert renewed["secret"] != webhook["secret"] and renewed["former_until"] is not None
    await hooks.ask("POST", f"{path}/ping")
    (came,) = await there.until(lambda came: len(came) == 1)
    came.verify(webhook["secret"])
    came.verify(renewed["secret"])


async def test_only_administrators_see_and_change_them(hooks: Interface, there: Receiver) -> None:
    webhook = await made(hooks, there.url)
    submitter = hooks.token("submitter")
    paths = ("", f"/{webhook['webhook_id']}", f"/{webhook['webhook_id']}/deliveries")
    for path in paths:
        assert (await hooks.ask("GET", f"/webhooks{path}", token=submitter)).status == 403
    assert (await hooks.ask("DELETE", f"/webhooks{paths[1]}", token=submitter)).status == 403
    wrong = [
        {"url": "ftp://host/x"},
        {"url": "https://me:secret@host/"},
        {"url": "https:///x"},
        {"kinds": []},
        {"kinds": ["job.finished"]},
        {"enabled": None},
        {"secret": "whsec_mine"},
    ]
    for values in wrong:
        said = await hooks.ask("PATCH", f"/webhooks{paths[1]}", json=values)
        assert said.status == 422, (values, said)
    assert (await hooks.ask("GET", "/webhooks/nothing")).status == 404
