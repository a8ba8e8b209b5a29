"""Webhooks: who is told of what, and how it is signed."""

import asyncio
import json

import pytest
from hooked import ENDS, Named, deliveries, listed, made
from interface import Interface
from receiver import Receiver
from sqlalchemy import delete
from standardwebhooks import WebhookVerificationError

from vhb_api.db.webhook_tables import DeliveryRow
from vhb_api.projection.projector import Projector
from vhb_api.projection.stored import StoredJobs
from vhb_shared.contracts import events

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_an_address_that_is_refused_is_a_mistake_of_its_field(hooks: Interface) -> None:
    asked = {"name": "w", "kinds": ["job.completed"]}
    refused = {"http://10.0.0.1/x": "10.0.0.1 is no public address", "nowhere": "expected an address like https://"}
    for url, why in refused.items():
        said = await hooks.ask("POST", "/webhooks", json=asked | {"url": url})
        (mistake,) = said.json["problems"]
        assert (said.status, mistake["field"]) == (422, "url") and mistake["message"].startswith(why)
    assert not await hooks.get("/webhooks")


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


@pytest.mark.slow
@pytest.mark.slow
async def test_a_rebuild_delivers_nothing_again(hooks: Interface, there: Receiver, job: Named) -> None:
    webhook = await made(hooks, there.url, kinds=["job.accepted", *ENDS])
    await hooks.told.complete(job("one"))
    await there.until(lambda came: len(came) == 2)
    jobs = StoredJobs(hooks.told.bus, hooks.told.store)
    projector = Projector(hooks.told.bus, hooks.database, jobs)
    await listed(hooks, webhook, "state=delivered", 2)
    with hooks.database.writing() as session:  # the log is not kept for ever
        session.execute(delete(DeliveryRow))
    await projector.rebuild()
    late = await made(hooks, there.url, kinds=["job.accepted", *ENDS])
    # Announced again, long after: the bus has forgotten, the database has not.
    again = [message for _, message in await hooks.told.stream() if message.subject.endswith("job.completed")]
    headers = {key: value for key, value in (again[-1].headers or {}).items() if key.startswith("ce-")}
    await hooks.told.bus.js.publish(again[-1].subject, again[-1].data, headers=headers)
    await hooks.told.complete(job("two"))
    await there.until(lambda came: len(came) >= 6)
    await asyncio.sleep(0.6)
    assert len(there.came) == 6 and len({one.id for one in there.came}) == 6
    assert len(await deliveries(hooks, webhook)) == len(await deliveries(hooks, late)) == 2


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
