"""The database says what the events say, however they are delivered, and can be made anew."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from story import Story

from vhb_api.db.database import Database
from vhb_api.db.migrate import migrate
from vhb_api.db.tables import PROJECTION, Base, FactRow, JobRow, RunRow
from vhb_api.projection.projector import Projector, read
from vhb_api.projection.recorded import Recorded
from vhb_api.projection.stored import StoredJobs
from vhb_api.projection.write import apply
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.events import JobAccepted
from vhb_shared.store import layout

Rows = dict[str, list[dict[str, Any]]]


def rows(database: Database, *tables: type[Base], without: Sequence[str] = ()) -> Rows:
    """All rows, in an order of their own."""
    found: Rows = {}
    with database.reading() as session:
        for table in tables or tuple(table for table in PROJECTION if table is not FactRow):
            names = [column.name for column in table.__table__.columns if column.name not in without]
            each = [{name: getattr(row, name) for name in names} for row in session.scalars(select(table))]
            found[table.__tablename__] = sorted(each, key=repr)
    return found


async def projected(told: Story, database: Database) -> Projector:
    """The database with the whole stream in it, taken in by the running projector."""
    projector = Projector(told.bus, database, StoredJobs(told.bus, told.store))
    await projector.ensure_current()
    async with projector.pulling(), asyncio.timeout(30):
        while True:
            info = await told.bus.js.consumer_info(topology.EVENTS, topology.API_EVENTS.durable)
            if not info.num_pending and not info.num_ack_pending:
                return projector
            await asyncio.sleep(0.05)


async def test_rows_say_what_became_of_each_job(told: Story, database: Database) -> None:
    taking = asyncio.create_task(told.tell())
    projector = Projector(told.bus, database, StoredJobs(told.bus, told.store))
    await projector.ensure_current()
    async with projector.pulling():
        await taking
        await projected(told, database)
    found = rows(database)
    jobs = {job["job_id"]: job for job in found["jobs"]}
    assert {job_id: (job["status"], job["round"]) for job_id, job in jobs.items()} == {
        "done": ("completed", 0), "refused": ("rejected", 0), "mended": ("completed", 1), "stopped": ("cancelled", 0),
        "broken": ("failed", 0), "open": ("running", 0),
    }  # fmt: skip
    for job_id, job in jobs.items():
        state = await told.states.job(job_id)
        runs = {run["run_id"]: run for run in found["runs"] if run["job_id"] == job_id}
        assert job["runs"] == len(state.run_ids) == len(runs)
        for run_id in state.run_ids:
            run = await told.states.run(run_id)
            row = runs[run_id]
            assert (row["status"], row["stage"], row["round"]) == (run.status, run.stage, run.round), run_id
            assert {name: row[name] for name in run.counts.model_dump()} == run.counts.model_dump(), run_id
            assert row["shards_done"] == (3 if run.status == "failed" else len(run.committed)), run_id
            metrics = [row["metric"] for row in found["metrics"] if row["run_id"] == run_id]
            assert metrics == [metric.metric for metric in run.metrics]
        assert job["answered"] == sum(run["answered"] for run in runs.values())
    assert jobs["refused"]["problems"] == list((await told.states.job("refused")).problems) != []
    assert jobs["broken"]["reason"] == "No such model: check its name.\N{REPLACEMENT CHARACTER}"
    assert {agent["agent_id"] for agent in found["agents"]} == {"agent-0", "agent-1"}
    failed = [backend for backend in found["backends"] if backend["state"] == "failed"]
    assert [backend["agent_id"] for backend in failed] == ["agent-1"]
    stopped = [backend for backend in found["backends"] if backend["state"] == "stopped"]
    assert {backend["seconds_to_ready"] for backend in stopped} == {1.5}
    assert len(found["events"]) == len(await told.stream())


async def test_repeats_and_any_order_give_the_same_rows(told: Story, database: Database, tmp_path: Path) -> None:
    await told.tell()
    await projected(told, database)
    expected = rows(database)
    events = [one for seq, message in await told.stream() if (one := read(message, seq)) is not None]
    # Announced again, after the server had forgotten the first time: another place in the stream, a later time.
    again = [Recorded(one.seq + 10_000, one.time, one.event) for one in events]
    jobs = StoredJobs(told.bus, told.store)
    planned = ("done", "mended", "stopped", "broken", "open")
    plans = {job_id: plan for job_id in planned if (plan := await jobs.plan(job_id))}
    # Twelve orders, half of them for each kind of database: they are written to a database of their own.
    for seed in range(6) if database.engine.dialect.name == "sqlite" else range(6, 12):
        chance = random.Random(seed)
        shuffled = events + events + again
        chance.shuffle(shuffled)
        other = Database(f"sqlite:///{tmp_path}/other-{seed}.db")
        migrate(other)
        while shuffled:
            batch = [shuffled.pop() for _ in range(min(len(shuffled), chance.randint(1, 20)))]
            named = {one.event.job_id for one in batch if isinstance(one.event, JobAccepted)}
            with other.writing() as session:
                apply(session, batch, {job_id: plan for job_id, plan in plans.items() if job_id in named})
        assert rows(other) == expected, f"seed {seed}"
        other.close()


async def test_two_processes_at_once_write_the_same_rows(
    told: Story, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_shared.bus.batches.BATCH", 3)  # so that both get much of it
    other = Database(
        database.url.render_as_string(hide_password=False).replace("+pysqlite", "").replace("+psycopg", "")
    )
    projectors = [Projector(told.bus, each, StoredJobs(told.bus, told.store)) for each in (database, other)]
    for projector in projectors:
        await projector.ensure_current()
    async with projectors[0].pulling(), projectors[1].pulling():
        await told.tell()
        await projected(told, database)
    together = rows(database)
    await projectors[0].rebuild()
    assert rows(database) == together
    other.close()


async def test_a_rebuild_gives_the_same_rows(told: Story, database: Database) -> None:
    await told.tell()
    projector = await projected(told, database)
    before = rows(database)
    with database.writing() as session:  # somebody meddled
        session.delete(session.get_one(JobRow, "done"))
        session.get_one(RunRow, "mended-0").status = "running"
    assert rows(database) != before
    assert await projector.rebuild() == len(await told.stream())
    assert rows(database) == before


async def test_jobs_whose_events_have_aged_out_come_back_from_storage(told: Story, database: Database) -> None:
    await told.tell()
    projector = await projected(told, database)
    tables = (JobRow, RunRow)
    # No state says when exactly an end was announced; how far a shard is, only events do.
    inexact = ("finished_at", "planned_at", "created_at", "shards_done", "reused")
    before = rows(database, *tables, without=inexact)
    metrics = rows(database)["metrics"]
    # "open" goes on: its events are kept.
    for job_id in ("done", "refused", "mended", "stopped", "broken"):
        await told.bus.js.purge_stream(topology.EVENTS, subject=subjects.events_of_job(job_id))
    await projector.rebuild()
    assert rows(database, *tables, without=inexact) == before
    assert rows(database)["metrics"] == metrics
    assert {event["job_id"] for event in rows(database)["events"] if event["seq"]} == {"open"}


async def test_where_the_bus_was_lost_storage_alone_tells(told: Story, database: Database, tmp_path: Path) -> None:
    from vhb_reporter.summary import JobSummary

    await told.complete("done", models=2)
    projector = await projected(told, database)
    before = rows(database, JobRow, RunRow, without=("finished_at", "reused"))
    metrics = rows(database)["metrics"]
    runs = await told.states.runs(await told.states.job("done"))
    plan = await StoredJobs(told.bus, told.store).plan("done")
    assert plan is not None
    summary = JobSummary.model_validate(
        {
            "job_id": "done", "name": "done", "status": "completed", "submitted_at": "", "planned_at": plan.created_at,
            "software": {}, "counts": {"answered": 12},
            "runs": [
                {
                    "run_id": run.run_id, "results_run_id": run.run_id, "name": run.name, "model": run.model,
                    "task": run.task, "backend": "openai", "dataset": "d", "dataset_source": "", "dataset_digest": "",
                    "skipped_rows": 0, "samples": 6, "status": "completed", "reason": None,
                    "counts": run.counts, "reused": run.reused,
                    "metrics": [
                        metric.model_dump() | {"ci_low": None, "ci_high": None} for metric in run.metrics
                    ],
                    "timings": dict.fromkeys(
                        (
                            "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "ttft_p50_ms", "ttft_p95_ms",
                            "prompt_tokens", "completion_tokens", "requests_per_s", "started_at", "finished_at",
                            "seconds",
                        )
                    ) | {"requests": 6, "retries": 0},
                }
                for run in runs
            ],
        }
    )  # fmt: skip
    await told.store.put(layout.job_file("done", "job.json"), summary.model_dump_json().encode())
    await told.bus.js.purge_stream(topology.EVENTS)
    await told.bus.js.purge_stream(f"KV_{topology.JOBS_BUCKET}")
    await projector.rebuild()
    assert rows(database, JobRow, RunRow, without=("finished_at", "reused")) == before
    assert rows(database)["metrics"] == metrics


async def test_a_new_database_catches_up_although_the_durable_has_passed(
    told: Story, tmp_path: Path, database: Database
) -> None:
    await told.complete("done")
    await projected(told, database)
    expected = rows(database)
    other = Database(f"sqlite:///{tmp_path}/other.db")
    migrate(other)
    await projected(told, other)
    assert rows(other) == expected
    other.close()


async def test_what_is_no_event_goes_to_the_dead_letters_and_stops_nothing(told: Story, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/vhb.db")
    migrate(database)
    projector = Projector(told.bus, database, StoredJobs(told.bus, told.store))
    await projector.ensure_current()
    async with projector.pulling():
        await told.bus.js.publish(subjects.event("x", "job.completed"), b"{")
        await told.bus.js.publish(subjects.event("x", "job.praised"), b"{}")
        await told.complete("done")
        await projected(told, database)
    dead = [message async for message in _dead(told)]
    assert len(dead) == 1 and "not an event" in dead[0].headers["vhb-reason"]
    assert [job["job_id"] for job in rows(database)["jobs"]] == ["done"]
    database.close()


async def _dead(told: Story) -> Any:
    from vhb_shared.bus.history import stored

    async for _, message in stored(told.bus.nc, topology.DLQ, subjects.ALL_DLQ):
        yield message


async def test_a_database_that_is_taken_is_waited_for(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_api.db.database.BUSY_S", 0.05)
    database = Database(f"sqlite:///{tmp_path}/vhb.db")
    migrate(database)
    projector = Projector(told.bus, database, StoredJobs(told.bus, told.store))
    await projector.ensure_current()
    async with projector.pulling():
        with database.writing():
            await told.complete("done")
            await asyncio.sleep(0.3)
            assert rows(database)["jobs"] == []
        await projected(told, database)
    assert [job["status"] for job in rows(database)["jobs"]] == ["completed"]
    database.close()
