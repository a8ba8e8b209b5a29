"""Queries over REST: over results in storage and the database's tables, bounded, with files that are kept."""

import asyncio
import contextlib
import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from interface import Interface, interface
from story import Story

from vhb_shared.store import layout
from vhb_shared.store.s3 import S3Store
from vhb_shared.testing.results import MadeRun, store_job
from vhb_shared.testing.s3_server import S3Server

ENDLESS = "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range * b.range = 7"


async def results_of(told: Story, job_id: str, values: list[float]) -> None:
    """The files that evaluator and reporter would have stored for a job of one model."""
    spec = (await told.states.runs(await told.states.job(job_id)))[0]
    plan = await told.store.get(layout.plan(job_id))
    made = [MadeRun("m0", [f"answer {value}" for value in values], values, metric="cer", task="t")]
    await store_job(told.store, job_id, made, created_at="2026-01-01T00:00:00Z")
    await told.store.put(layout.plan(job_id), plan)
    assert spec.run_id == f"{job_id}-0"


async def asked(api: Interface, sql: str, **options: Any) -> list[list[Any]]:
    said = await api.ask("POST", "/query", json={"sql": sql, **options})
    assert said.status == 200, said
    rows: list[list[Any]] = said.json["rows"]
    return rows


async def test_questions_over_results_and_the_database(api: Interface) -> None:
    for job_id, value in (("first", 1.0), ("second", 0.5)):
        await api.told.complete(job_id)
        await results_of(api.told, job_id, [value] * 6)
        await api.until(job_id, "completed")
    viewer = api.token("viewer")
    said = await api.ask(
        "POST", "/query", token=viewer,
        json={"sql": "SELECT job_id, avg(value) AS mean, max(planned_at) AS at FROM scores WHERE metric = $metric "
                     "GROUP BY job_id ORDER BY job_id", "parameters": {"metric": "cer"}},
    )  # fmt: skip
    assert said.status == 200, said
    assert said.json["columns"] == [
        {"name": "job_id", "type": "VARCHAR"}, {"name": "mean", "type": "DOUBLE"}, {"name": "at", "type": "TIMESTAMP"},
    ]  # fmt: skip
    assert [row[:2] for row in said.json["rows"]] == [["first", 1.0], ["second", 0.5]] and said.json["more"] is False
    assert said.json["seconds"] > 0 and said.json["notes"] == []

    assert await asked(api, "SELECT count(*) FROM telemetry", jobs=["first"]) == [[2]]
    assert await asked(api, "SELECT job_id, status, runs, answered FROM jobs ORDER BY job_id") == [
        ["first", "completed", 1, 6], ["second", "completed", 1, 6]
    ]  # fmt: skip
    assert await asked(api, "SELECT job_id, count(*), sum(answered) FROM shards GROUP BY 1 ORDER BY 1") == [
        ["first", 3, 6], ["second", 3, 6]
    ]  # fmt: skip
    # Results and the database in one question.
    assert await asked(
        api, "SELECT s.agent_id, b.state, avg(r.value) FROM shards s JOIN backends b USING (agent_id) "
             "JOIN agents USING (agent_id) JOIN scores r USING (run_id) WHERE s.job_id = 'second' GROUP BY ALL"
    ) == [["agent-0", "stopped", 0.5]]  # fmt: skip
    assert await asked(api, "SELECT job_id FROM shards", jobs=["second"]) == [["second"]] * 3

    tables = {table["name"]: table for table in await api.get("/query/tables")}
    for name, table in tables.items():
        assert [row[:2] for row in await asked(api, f"DESCRIBE {name}")] == [
            [column["name"], column["type"]] for column in table["columns"]
        ], name
    # Asking changes nothing, and is not written down as if it did.
    assert [entry["path"] for entry in (await api.get("/audit"))["items"]] == []


async def test_results_as_csv_and_no_more_rows_than_wanted(api: Interface) -> None:
    sql = "SELECT range AS n, 'a\"b,' || range AS t, NULL AS x FROM range(5)"
    said = await api.ask("POST", "/query", json={"sql": sql, "rows": 3, "format": "csv"})
    assert said.headers["Content-Type"].startswith("text/csv") and said.headers["X-More-Rows"] == "true"
    assert "attachment" in said.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(said.body.decode(), newline="")))
    assert rows == [["n", "t", "x"], ["0", 'a"b,0', ""], ["1", 'a"b,1', ""], ["2", 'a"b,2', ""]]
    said = await api.ask("POST", "/query", json={"sql": sql, "rows": 3})
    assert (len(said.json["rows"]), said.json["more"]) == (3, True)


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"sql": "DROP VIEW runs"}, 422, "The query is refused: only one SELECT"),
    ({"sql": "SELECT * FROM read_csv('/etc/passwd')"}, 422, "table function 'read_csv' is not allowed"),
    ({"sql": "SELECT $a"}, 422, 'it names $a, which was not given; give it with `"parameters": {"a": ...}`'),
    ({"sql": "FROM nothing"}, 422, "the tables are runs, performance, answers, scores, metrics, telemetry, baselines"),
    ({"sql": ENDLESS, "timeout_s": 1}, 422, "took longer than"),
    ({"sql": "SELECT repeat('x', 3000000000)"}, 422, "needs more than 1024 MiB"),
    ({"sql": "SELECT 1", "jobs": ["nowhere"]}, 422, "no results of a job 'nowhere'"),
    ({"sql": "SELECT 1", "saved": "drift"}, 422, "either `sql` or `saved`"),
    ({"saved": "nothing"}, 404, "no saved query 'nothing'"),
    ({"saved": "leaderboard", "parameters": {"metrik": "x"}}, 422, "no parameter 'metrik'"),
]


@pytest.mark.slow
async def test_mistakes_are_sentences(api: Interface) -> None:
    for question, status, sentence in WRONG:
        said = await api.ask("POST", "/query", json=question)
        assert (said.status, said.headers["Content-Type"]) == (status, "application/problem+json"), said
        assert sentence in said.json["detail"], said.json


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.05)


def running() -> list[str]:
    """Processes of this test's service that answer a query."""
    import psutil

    return [
        str(child.pid) for child in psutil.Process().children()
        if any("analytics.worker" in part for part in child.cmdline())
    ]  # fmt: skip


async def test_a_query_ends_with_its_client_and_others_wait_their_turn(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_api.querying.asking._WAIT_S", 0.5)
    async with interface(told, tmp_path, monkeypatch, QUERIES_AT_ONCE="1") as api:
        endless = asyncio.create_task(api.ask("POST", "/query", json={"sql": ENDLESS}))
        await until(lambda: bool(running()))
        said = await api.ask("POST", "/query", json={"sql": "SELECT 1"})
        assert said.status == 503 and int(said.headers["Retry-After"]) > 0
        # The service itself goes on meanwhile.
        started = time.monotonic()
        await api.get("/jobs")
        assert time.monotonic() - started < 10
        endless.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
            await endless
        await until(lambda: not running())
        assert await asked(api, "SELECT 1") == [[1]]


@pytest.mark.slow
async def test_one_token_cannot_take_all_places(told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vhb_api.querying.asking.MOST_OF_A_TOKEN", 1)
    async with interface(told, tmp_path, monkeypatch) as api:
        endless = asyncio.create_task(api.ask("POST", "/query", json={"sql": ENDLESS, "timeout_s": 5}))
        await until(lambda: bool(running()))
        said = await api.ask("POST", "/query", json={"sql": "SELECT 1"})
        assert said.status == 429 and "Retry-After" in said.headers
        other = api.token("viewer")
        assert (await api.ask("POST", "/query", token=other, json={"sql": "SELECT 1"})).status == 200
        endless.cancel()
        await asyncio.gather(endless, return_exceptions=True)


async def test_saved_queries_of_people(api: Interface) -> None:
    built_in = await api.get("/queries")
    assert {"leaderboard", "history", "by-class", "trade-offs", "agreement", "hardest", "drift"} == {
        entry["name"] for entry in built_in
    }
    assert all(entry["saved_by"] is None and entry["description"] and entry["sql"] for entry in built_in)
    ann, bob, viewer = api.token("submitter"), api.token("submitter"), api.token("viewer")
    sql = "-- Twice a number.\n-- $n=2: the number\nSELECT 2 * $n::INTEGER AS twice, $more AS more"
    saved = await api.ask("PUT", "/queries/twice", token=ann, json={"sql": sql, "description": "Zweimal."})
    assert saved.status == 200, saved
    assert saved.json["description"] == "Zweimal." and saved.json["saved_by"] == "submitter 1"
    assert [(each["name"], each["default"]) for each in saved.json["parameters"]] == [("n", "2"), ("more", None)]
    found = await api.ask("POST", "/query", token=viewer, json={"saved": "twice", "parameters": {"n": 21}})
    assert found.json["rows"] == [[42, None]]
    assert [entry["name"] for entry in await api.get("/queries", token=viewer)][-1] == "twice"

    assert (await api.ask("PUT", "/queries/mine", token=viewer, json={"sql": "SELECT 1"})).status == 403
    assert (await api.ask("PUT", "/queries/twice", token=bob, json={"sql": "SELECT 1"})).status == 403
    assert (await api.ask("DELETE", "/queries/twice", token=bob)).status == 403
    assert (await api.ask("PUT", "/queries/leaderboard", json={"sql": "SELECT 1"})).status == 409
    for wrong in ("SELEC 1", "COPY runs TO 'x'", "SELECT 1; SELECT 2"):
        assert (await api.ask("PUT", "/queries/mine", json={"sql": wrong})).status == 422, wrong
    assert (await api.ask("PUT", "/queries/twice", token=ann, json={"sql": "SELECT 7"})).status == 200
    assert (await api.get("/queries/twice"))["sql"] == "SELECT 7"
    assert (await api.ask("DELETE", "/queries/twice")).status == 204  # an administrator's
    assert (await api.ask("GET", "/queries/twice")).status == 404


@pytest.mark.slow
async def test_drift_against_pinned_baselines(api: Interface) -> None:
    for job_id, value in (("old", 1.0), ("later", 0.0)):
        await api.told.complete(job_id)
        await results_of(api.told, job_id, [value] * 6)
        await api.until(job_id, "completed")
    drift = {"saved": "drift"}
    assert (await api.ask("POST", "/query", json=drift)).json["rows"] == []
    [[dataset]] = await asked(api, "SELECT DISTINCT dataset FROM runs")
    pin = {"dataset": dataset, "task": "t", "baseline": "old", "note": "release 1"}
    assert (await api.ask("PUT", "/baselines", token=api.token("viewer"), json=pin)).status == 403
    said = await api.ask("PUT", "/baselines", json=pin | {"task": "other"})
    assert said.status == 422 and "no job or run with results" in said.json["detail"]
    assert (await api.ask("PUT", "/baselines", json=pin)).status == 200
    (kept,) = await api.get("/baselines")
    assert pin.items() <= kept.items() and kept["pinned_by"]
    said = await api.ask("POST", "/query", json=drift)
    names = [column["name"] for column in said.json["columns"]]
    (row,) = [dict(zip(names, each, strict=True)) for each in said.json["rows"]]
    assert (row["job_id"], row["baseline"], row["value"], row["outside"]) == ("later", 1.0, 0.0, True)
    assert (await api.ask("PUT", "/baselines", json=pin | {"baseline": "later-0"})).status == 200
    assert (await api.ask("POST", "/query", json=drift)).json["rows"] == []  # nothing is later than it
    gone = await api.ask("DELETE", "/baselines", params={"dataset": dataset, "task": "t"})
    assert gone.status == 204 and await api.get("/baselines") == []


@pytest.mark.slow
async def test_files_of_an_s3_server_are_copied_once_and_anew_after_a_retry(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Server(tmp_path / "s3") as server:
        server.make_bucket("results")
        store = S3Store(server.endpoint, "results", server.access_key, server.secret_key, secure=False)
        copied: list[str] = []
        get_file = store.get_file

        async def counted(key: str, path: Path) -> None:
            copied.append(key)
            await get_file(key, path)

        monkeypatch.setattr(store, "get_file", counted)
        monkeypatch.setenv("VHB_CACHE_DIR", str(tmp_path / "cache"))
        await told.complete("done", failed=1)
        plan = await told.store.get(layout.plan("done"))
        async with store:
            monkeypatch.setattr(told, "store", store)
            await store.put(layout.plan("done"), plan)
            await results_of(told, "done", [0.5] * 6)
            mean = "SELECT avg(value), count(*) FROM scores"
            async with interface(told, tmp_path, monkeypatch) as api:
                await api.until("done", "completed")
                assert await asked(api, mean) == [[0.5, 6]]
                assert copied == [layout.run_file("done-0", "scores.parquet")]
                asked_about: list[str] = []
                version = store.version

                async def looked(key: str) -> str:
                    asked_about.append(key)
                    return await version(key)

                monkeypatch.setattr(store, "version", looked)
                assert await asked(api, mean) == [[0.5, 6]]
                # The run has ended: its files are known, and the storage is not asked at all.
                assert len(copied) == 1 and asked_about == []

                await told.retry("done")
                await results_of(told, "done", [0.25] * 6)
                async with asyncio.timeout(20):
                    while await asked(api, mean) != [[0.25, 6]]:  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.05)
                await api.until("done", "completed")
                assert len(copied) == 2
            # Another process finds what this one has copied.
            async with interface(told, tmp_path, monkeypatch) as api:
                await api.until("done", "completed")
                assert await asked(api, mean) == [[0.25, 6]]
                assert len(copied) == 2
