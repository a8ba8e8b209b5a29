"""Webhooks that nobody takes: tried again, given up, sent again by hand; and nobody else waits for them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hooked import Named, deliveries, listed, made, settled
from interface import Interface
from receiver import Came, Receiver, answering, receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
            await there.until(lambda came, job_id=job_id: came and came[-1].event["data"]["job_id"] == job_id)
            assert loop.time() - began < 6, "the four of a job take 8 s, one after the other"
        assert 0 < len(dead.came) <= 8, "a bounded number is on its way at a time"
        found = await settled(hooks, webhook)
        errors = {one["error"] for one in found if one["attempts"]}
        assert errors == {"No answer within 2 s."}
        assert (await hooks.ask("DELETE", f"/webhooks/{webhook['webhook_id']}")).status == 204


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


async def test_an_address_that_may_not_be_sent_to_is_a_mistake_in_the_request(hooks: Interface) -> None:
    for url in ("https://10.0.0.1/", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/"):
        said = await hooks.ask("POST", "/webhooks", json={"name": "ci", "url": url, "kinds": ["job.completed"]})
        assert said.status == 422 and [one["field"] for one in said.json["problems"]] == ["url"], said
        assert "VHB_API_WEBHOOKS_PRIVATE" in said.json["detail"]
