"""Each role is refused outside its work, by a real server with the generated configuration."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import pytest
from bus_server import RoleServer

from vhb_scheduler import announcements
from vhb_shared.access.bus import PRODUCERS, rights
from vhb_shared.access.roles import ROLES, Role
from vhb_shared.bus.client import Bus
from vhb_shared.bus.denials import Denied, denied
from vhb_shared.contracts import events, subjects, topology
from vhb_shared.contracts.events import Event, Failure
from vhb_shared.contracts.state import RunState

_JS = "$JS.API"
_DELETE_EVENTS = f"{_JS}.STREAM.DELETE.{topology.EVENTS}"
_FOREIGN_CONSUMER = f"{_JS}.CONSUMER.CREATE.{topology.EVENTS}.mine"
_SUBMIT_NEXT = f"{_JS}.CONSUMER.MSG.NEXT.{topology.WORK}.{topology.SCHEDULER_SUBMIT.durable}"
_COMPLETED = subjects.event("job", events.JobCompleted.what)
_SHARD = subjects.event("job", events.RunShardCompleted.what)
_EVALUATED = subjects.event("job", events.RunEvaluationCompleted.what)

REFUSED: dict[Role, tuple[str, ...]] = {
    "provisioner": (subjects.SUBMIT, _COMPLETED, "$KV.vhb-jobs.job.a", f"{_JS}.STREAM.MSG.GET.KV_vhb-jobs"),
    "scheduler": (
        subjects.SUBMIT, _SHARD, "$KV.vhb-claims.b.0", "$KV.vhb-agents.a", _FOREIGN_CONSUMER,
        f"{_JS}.STREAM.CREATE.mine", f"{_JS}.STREAM.UPDATE.{topology.WORK}", f"{_JS}.STREAM.PURGE.{topology.EVENTS}",
    ),
    "agent": (
        subjects.SUBMIT, _COMPLETED, _EVALUATED, "$KV.vhb-jobs.job.a", "$KV.vhb-jobs.run.a", "$KV.vhb-backends.b",
        subjects.inference("b", "run", 0), f"{_JS}.STREAM.PURGE.{topology.WORK}", _SUBMIT_NEXT, _FOREIGN_CONSUMER,
        f"$JS.ACK.{topology.WORK}.{topology.SCHEDULER_SUBMIT.durable}.1.1.1.1.0",
        f"{_JS}.CONSUMER.DELETE.{topology.WORK}.inference--b", f"{_JS}.CONSUMER.CREATE.{topology.WORK}.inference--b",
        f"{_JS}.CONSUMER.MSG.NEXT.{topology.EVENTS}.{topology.EVALUATOR_RUN.durable}",
    ),
    "evaluator": (
        subjects.SUBMIT, subjects.CANCEL, _COMPLETED, _SHARD, "$KV.vhb-jobs.run.a", "$KV.vhb-claims.b.0",
        f"{_JS}.STREAM.MSG.GET.KV_vhb-agents", _SUBMIT_NEXT, _FOREIGN_CONSUMER,
        f"{_JS}.CONSUMER.MSG.NEXT.{topology.EVENTS}.{topology.REPORTER_RUN.durable}",
        subjects.live("job", "progress"),
    ),
    "reporter": (
        subjects.SUBMIT, _COMPLETED, _EVALUATED, "$KV.vhb-jobs.run.a", f"{_JS}.STREAM.MSG.GET.KV_vhb-claims",
        f"{_JS}.CONSUMER.MSG.NEXT.{topology.EVENTS}.{topology.EVALUATOR_RUN.durable}", _FOREIGN_CONSUMER,
    ),
    "cli": (
        _COMPLETED, _SHARD, "$KV.vhb-jobs.job.a", "$KV.vhb-backends.b", "$KV.vhb-claims.b.0", _SUBMIT_NEXT,
        subjects.inference("b", "run", 0), f"{_JS}.STREAM.PURGE.{topology.WORK}", _FOREIGN_CONSUMER,
        f"{_JS}.STREAM.MSG.DELETE.{topology.DLQ}", f"{_JS}.CONSUMER.CREATE.{topology.EVENTS}",
    ),
    "operator": ("$KV.vhb-jobs.job.a", f"{_JS}.STREAM.PURGE.{topology.WORK}", _FOREIGN_CONSUMER),
    "subscriber": (
        subjects.SUBMIT, subjects.CANCEL, _COMPLETED, subjects.live("job", "notice"), "$KV.vhb-jobs.job.a",
        f"{_JS}.STREAM.MSG.GET.KV_vhb-jobs", f"{_JS}.DIRECT.GET.KV_vhb-jobs.$KV.vhb-jobs.job.a",
        f"{_JS}.CONSUMER.CREATE.{topology.EVENTS}", _FOREIGN_CONSUMER, "vhb.anything",
    ),
    "api": (
        _COMPLETED, _SHARD, "$KV.vhb-jobs.job.a", "$KV.vhb-backends.b", "$KV.vhb-claims.b.0", _SUBMIT_NEXT,
        subjects.inference("b", "run", 0), f"{_JS}.STREAM.PURGE.{topology.WORK}", _FOREIGN_CONSUMER,
        f"{_JS}.STREAM.MSG.DELETE.{topology.DLQ}", f"{_JS}.CONSUMER.CREATE.{topology.EVENTS}",
        f"{_JS}.CONSUMER.MSG.NEXT.{topology.EVENTS}.{topology.SUBSCRIBER.durable}",
    ),
}  # fmt: skip
DEAF: dict[Role, tuple[str, ...]] = {
    "agent": ("_INBOX_scheduler.>", subjects.ALL_JOB_COMMANDS, "$KV.vhb-jobs.>"),
    "evaluator": ("_INBOX_cli.>", ">"),
    "api": ("_INBOX_cli.>", subjects.ALL_JOB_COMMANDS, "$KV.>"),
    "cli": ("_INBOX.>", subjects.ALL_JOB_COMMANDS, "$KV.>"),
    "subscriber": ("_INBOX_cli.>", subjects.ALL_JOB_COMMANDS, "$KV.vhb-jobs.>", "$JS.>"),
}


async def _refused(bus: Bus, subject: str) -> bool:
    """The refusal comes by itself, soon after."""
    await bus.nc.flush()
    for _ in range(200):
        if denied(bus.nc, subject):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_every_role_is_refused_outside_its_work(server: RoleServer) -> None:
    assert REFUSED.keys() == set(ROLES)
    for role, forbidden in REFUSED.items():
        async with server.bus(role) as bus:
            for subject in (*forbidden, _DELETE_EVENTS, f"{_JS}.STREAM.DELETE.KV_vhb-jobs", "$SYS.REQ.SERVER.PING"):
                await bus.nc.publish(subject, b"{}")
                assert await _refused(bus, subject), f"{role} may publish {subject}"
    async with server.bus("provisioner") as bus:
        for stream in topology.STREAMS:
            assert (await bus.js.stream_info(stream.name)).state.messages == 0


async def test_no_role_hears_what_is_not_for_it(server: RoleServer) -> None:
    for role, forbidden in DEAF.items():
        async with server.bus(role) as bus:
            for subject in forbidden:
                await bus.nc.subscribe(subject)
                assert await _refused(bus, subject), f"{role} may subscribe to {subject}"


async def test_a_refusal_is_a_sentence_for_the_caller_and_in_the_log(
    server: RoleServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vhb_shared.bus import client
    from vhb_shared.contracts.commands import CancelJob

    monkeypatch.setattr(client, "PUBLISH_TIMEOUT_S", 0.5)
    caplog.set_level(logging.ERROR)
    async with server.bus("evaluator") as bus:
        command = CancelJob(job_id="job", requested_at="2026-01-01T00:00:00+00:00")
        with pytest.raises(Denied, match=r"'evaluator' may not publish vhb\.jobs\.cancel.*VHB_NATS_CREDS"):
            await bus.command(subjects.CANCEL, command, "cancel:job")


async def test_the_scheduler_says_again_what_went_missing(server: RoleServer) -> None:
    run = RunState(
        run_id="j-0", job_id="j", name="m__t", model="m", task="t", backend_id="b",
        stages=("inference", "evaluation", "reporting"), stage="evaluation", samples=2, shards=1, announcement=1,
    )  # fmt: skip
    failed = {"failure": Failure(kind="backend", message="gone")}
    states = ({}, failed, {"stage": "reporting"}, {"stage": "reporting", "stages": ("reporting",)})
    said = [announcements.of_run(run.model_copy(update=more)) for more in states]
    async with server.bus("scheduler") as bus:
        for event in said:
            assert event is not None
            await bus.publish(event)


async def test_nobody_connects_without_a_password(server: RoleServer) -> None:
    from vhb_shared.bus.connection import Unreachable, connect
    from vhb_shared.settings import BusSettings

    with pytest.raises(Unreachable, match="does not accept these credentials"):
        await connect(BusSettings(nats_url=server.url), "nobody", timeout_s=1)
    wrong = server.layout.root / "wrong.json"
    wrong.write_text('{"user": "scheduler", "password": "guess"}')
    with pytest.raises(Unreachable, match="does not accept these credentials"):
        await connect(BusSettings(nats_url=server.url, nats_creds=wrong), "wrong", timeout_s=1)


def test_every_event_has_one_producer() -> None:
    def kinds(of: type[Event]) -> set[type[Event]]:
        return {kind for sub in of.__subclasses__() for kind in {sub} | kinds(sub)}

    every = {kind for kind in kinds(Event) if "what" in vars(kind)}
    produced = [kind for of in PRODUCERS.values() for kind in of]
    assert sorted(kind.what for kind in every) == sorted(kind.what for kind in produced), (
        "vhb_shared.access.bus.PRODUCERS has to say which role announces a new event"
    )


def test_rights_name_no_stream_whole() -> None:
    for role in ROLES:
        for subject in rights(role).publish:
            assert subject not in (">", "$JS.>", "$JS.API.>", "$KV.>", "vhb.>"), role
            assert "DELETE" not in subject or ".MSG.DELETE." in subject, (role, subject)


async def test_requests_of_one_user_stay_its_own(server: RoleServer) -> None:
    async with server.bus("cli") as one, server.bus("subscriber") as other:
        assert one.nc.new_inbox().startswith("_INBOX_cli.")
        heard = await other.nc.subscribe(subjects.ALL_EVENTS)
        await other.nc.flush()
        await one.nc.publish(subjects.event("job", "x"), b"{}")
        with pytest.raises(asyncio.TimeoutError):
            await heard.next_msg(timeout=0.3)


async def test_the_outside_subscriber_reads_through_a_consumer_that_exists(server: RoleServer) -> None:
    example = Path(__file__).parents[3] / "examples" / "subscriber.py"
    env = os.environ | {
        "VHB_NATS_URL": server.url,
        "VHB_NATS_CREDS": str(server.layout.nats / "subscriber.json"),
        "PYTHONUNBUFFERED": "1",
    }
    event = events.JobRejected(job_id="job", name="a name", problems=("a reason",))
    async with server.bus("scheduler") as bus:
        await bus.publish(event)
    process = await asyncio.create_subprocess_exec(
        sys.executable, example, "--durable", topology.SUBSCRIBER.durable, env=env, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while b"a reason" not in (line := await process.stdout.readline()):
                assert line, "it ended"
    finally:
        process.terminate()
        await process.wait()
