"""Queries over stored results: the tables, their rows, and what several jobs share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from vhb_shared.analytics.engine import Answer, Limits, ask
from vhb_shared.analytics.saved import saved_queries, saved_query
from vhb_shared.analytics.stored import laid_out, mentioned
from vhb_shared.analytics.tables import TABLES
from vhb_shared.contracts.results import ANSWER_COLUMNS, METRIC_COLUMNS, SCORE_COLUMNS
from vhb_shared.errors import UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.results import MadeRun, store_job


async def found(
    store: ObjectStore, sql: str, jobs: Sequence[str] = (), given: Mapping[str, Any] | None = None, rows: int = 1000
) -> Answer:
    async with laid_out(store, mentioned(sql), jobs) as laid:
        return await ask(sql, laid, Limits(rows=rows, seconds=60), given)


async def saved(store: ObjectStore, name: str, **given: str) -> list[dict[str, Any]]:
    query = saved_query(name)
    answer = await found(store, query.sql, given=query.bound(given))
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


async def test_the_tables_hold_the_rows_of_all_jobs_or_of_some(store: DirectoryStore) -> None:
    counts = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
    # runs, performance, answers, scores, metrics: general, two classes, three types of question; telemetry, baselines
    assert (await found(store, counts)).rows == ((3, 3, 24, 24, 18, 6, 0),)
    assert (await found(store, counts, ["new"])).rows == ((1, 1, 8, 8, 6, 2, 0),)
    assert (await found(store, counts, ["new", "old", "new"])).rows == ((3, 3, 24, 24, 18, 6, 0),)


async def test_every_row_says_which_run_it_is_of(store: DirectoryStore) -> None:
    for table in set(TABLES) - {"baselines"}:
        answer = await found(
            store, f"SELECT DISTINCT job_id, run_id, run, model, task, dataset, planned_at FROM {table}"
        )
        assert set(answer.rows) == {
            ("old", "old-0", "good__read", "good", "read", "pages", "2026-01-01T10:00:00"),
            ("old", "old-1", "bad__read", "bad", "read", "pages", "2026-01-01T10:00:00"),
            ("new", "new-0", "good__read", "good", "read", "pages", "2026-02-01T10:00:00"),
        }, table


async def test_tables_have_the_columns_of_the_contracts_also_without_any_row(tmp_path: Any) -> None:
    empty = DirectoryStore(tmp_path, durable=False)
    for table, columns in (("answers", ANSWER_COLUMNS), ("scores", SCORE_COLUMNS), ("metrics", METRIC_COLUMNS)):
        answer = await found(empty, f"SELECT * FROM {table}")
        assert set(columns) <= set(answer.columns) and answer.rows == ()
        assert len(set(answer.columns)) == len(answer.columns)


async def test_values_keep_their_types(store: DirectoryStore) -> None:
    sql = 'SELECT "index", id, model_answer, latency_ms, ttft_ms FROM answers WHERE run_id = $run ORDER BY "index" DESC'
    answer = await found(store, sql, given={"run": "old-1", "not_named": 1}, rows=2)
    assert answer.rows == ((7, "7", None, 50.0, None), (6, "6", "?", 50.0, None)) and answer.more
    sums = await found(store, "SELECT sum(n_failed), sum(answered), sum(failed) FROM runs JOIN metrics USING (run_id) "
                              "WHERE level = 'general'")  # fmt: skip
    assert sums.rows == ((1, 23, 1),)


async def test_columns_that_only_some_runs_have_are_null_in_others(store: DirectoryStore, tmp_path: Any) -> None:
    import polars as pl

    path = tmp_path / "store" / layout.run_file("new-0", "scores.parquet")
    pl.read_parquet(path).with_columns(pl.lit("ru").alias("column:lang")).write_parquet(path)
    answer = await found(store, 'SELECT job_id, "column:lang", count(*) FROM scores GROUP BY ALL ORDER BY ALL')
    assert answer.rows == (("new", "ru", 8), ("old", None, 16))


async def test_runs_without_some_files_are_no_error(store: DirectoryStore) -> None:
    for name in ("answers.parquet", "scores.parquet", "metrics.csv", "performance.json"):
        await store.delete(layout.run_file("old-1", name))
    for name in ("job.json", "metrics.parquet"):
        await store.delete(layout.job_file("old", name))
    counts = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
    assert (await found(store, counts)).rows == ((3, 2, 16, 16, 12, 6, 0),)
    assert (await found(store, "SELECT status, answered FROM runs WHERE job_id = 'old'")).rows == ((None, None),) * 2


async def test_metrics_of_a_job_that_is_not_summed_up_yet_are_those_of_its_runs(tmp_path: Path) -> None:
    found_in = []
    for summed_up in (True, False):
        store = DirectoryStore(tmp_path / str(summed_up), durable=False)
        runs = [MadeRun("a", ["x", "y", "z"], [1.0, 0.25, 0.0]), MadeRun("b", ["x", None, "z"], [0.5, None, 1.0])]
        await store_job(store, "job", runs, created_at="2026-01-01T00:00:00Z", summed_up=summed_up)
        answer = await found(store, "SELECT * EXCLUDE (higher_is_better) FROM metrics ORDER BY ALL")
        assert len(answer.rows) == 2 * 6  # without by_id, which is as long as the data set
        found_in.append((answer.columns, answer.rows))
    assert found_in[0] == found_in[1]


async def test_results_that_a_second_job_reports_on_are_there_once(store: DirectoryStore) -> None:
    await store_job(store, "again", [MadeRun("good", [], [], results_of="old-0")], created_at="2026-03-01T00:00:00Z")
    assert (await found(store, "SELECT run_id, count(*) FROM answers GROUP BY 1 ORDER BY 1")).rows == (
        ("new-0", 8), ("old-0", 8), ("old-1", 8)
    )  # fmt: skip
    assert (await found(store, "SELECT run_id, count(*) FROM answers GROUP BY 1", ["again"])).rows == (("again-0", 8),)


async def test_jobs_in_which_metrics_ask_models_are_left_out_unless_named(store: DirectoryStore) -> None:
    named = "old-0-q0-0"
    assert await store.exists(layout.plan(named))
    assert {row[0] for row in (await found(store, "SELECT job_id FROM runs")).rows} == {"old", "new"}
    assert (await found(store, "SELECT job_id FROM runs", [named])).rows == ()


@pytest.mark.parametrize("name", ["answers.parquet", "metrics.csv"])
async def test_a_damaged_file_is_named(store: DirectoryStore, name: str) -> None:
    await store.delete(layout.job_file("new", "metrics.parquet"))
    await store.put(layout.run_file("new-0", name), b"\x00 damaged \x1b[2J\n" * 100)
    with pytest.raises(UserError, match=f"The stored file runs/new-0/{name} cannot be read") as said:
        await found(store, f"SELECT * FROM {name.partition('.')[0]}")
    assert str(said.value).isprintable()
    assert (await found(store, f"SELECT count(*) FROM {name.partition('.')[0]}", ["old"])).rows != ((0,),)


async def test_an_unknown_job_and_an_unreadable_plan(store: DirectoryStore) -> None:
    with pytest.raises(UserError, match="no results of a job 'nowhere'"):
        await found(store, "SELECT 1", ["old", "nowhere"])
    await store.put(layout.plan("broken"), b'{"job_id": "broken"}')
    async with laid_out(store, ["runs"]) as laid:
        assert laid.notes == ("job broken is left out: its plan was written by another version and cannot be read",)
        assert (await ask("SELECT count(*) FROM runs", laid, Limits())).rows == ((3,),)


async def test_leaderboard(store: DirectoryStore) -> None:
    rows = await saved(store, "leaderboard")
    assert [(row["place"], row["model"], row["job_id"], row["value"], row["n_failed"]) for row in rows] == [
        (1, "good", "old", 0.875, 0), (2, "bad", "old", pytest.approx(4 / 7), 1), (3, "good", "new", 0.5, 0)
    ]  # fmt: skip
    # A filter for a model leaves its place among all.
    assert [row["place"] for row in await saved(store, "leaderboard", model="bad")] == [2]
    assert await saved(store, "leaderboard", metric="x' OR 1=1 --") == []


@pytest.mark.parametrize("name", ["leaderboard", "by-class", "trade-offs", "agreement", "hardest"])
async def test_rows_say_of_which_data_they_are(store: DirectoryStore, name: str) -> None:
    (digest,) = {row["dataset_digest"] for row in await saved(store, name)}
    assert digest == (await found(store, "SELECT any_value(dataset_digest) FROM runs")).rows[0][0]


async def test_history(store: DirectoryStore) -> None:
    rows = await saved(store, "history", model="good")
    assert [(row["job_id"], row["value"], row["change"], row["data_changed"]) for row in rows] == [
        ("old", 0.875, None, False), ("new", 0.5, -0.375, False)
    ]  # fmt: skip


async def test_by_class(store: DirectoryStore) -> None:
    rows = await saved(store, "by-class", level="by_doc_type", model="bad")
    assert [(row["group"], row["value"], row["n_failed"]) for row in rows] == [
        ("letter", pytest.approx(2 / 3), 1), ("receipt", 0.5, 0)
    ]  # fmt: skip


async def test_trade_offs(store: DirectoryStore) -> None:
    rows = await saved(store, "trade-offs")
    assert [
        (
            row["job_id"],
            row["model"],
            row["latency_ms_p50"],
            row["completion_tokens_per_answer"],
            row["best_at_its_speed"],
        )
        for row in rows
    ] == [("old", "bad", 50.0, 5.0, True), ("new", "good", 150.0, 5.0, False), ("old", "good", 200.0, 5.0, True)]
    assert {row["cost_per_1000_answers"] for row in rows} == {None}
    priced = await saved(store, "trade-offs", token_price="1.5", answer_price="6")
    # 100 tokens asked and 5 answered for each.
    assert {round(row["cost_per_1000_answers"], 9) for row in priced} == {0.18}


async def test_agreement_is_between_the_latest_runs(store: DirectoryStore) -> None:
    (row,) = await saved(store, "agreement")
    # The newer run of `good` and `bad`, on the seven samples that both have a score of.
    assert (row["one"], row["other"], row["n"]) == ("bad", "good", 7)
    assert (row["equal_scores"], row["equal_answers"]) == (1.0, pytest.approx(4 / 7))
    assert row["correlation"] == pytest.approx(1.0)


async def test_hardest(store: DirectoryStore) -> None:
    rows = await saved(store, "hardest", top="4")
    assert [(row["id"], row["mean"], row["models"], row["failed"]) for row in rows] == [
        ("4", 0.0, 2, 0), ("5", 0.0, 2, 0), ("6", 0.0, 2, 0), ("7", 0.0, 2, 1)
    ]  # fmt: skip
    assert {row["doc_class"] for row in rows} == {"receipt", "letter"}
    assert len(await saved(store, "hardest")) == 8


async def test_drift(store: DirectoryStore) -> None:
    for baseline in ("old", "old-0"):
        (row,) = await saved(store, "drift", baseline=baseline)
        assert (row["job_id"], row["baseline"], row["value"], row["drift"]) == ("new", 0.875, 0.5, -0.375)
        assert (row["worse"], row["outside"], row["data_changed"], row["equal_answers"]) == (True, True, False, 0.5)
    assert await saved(store, "drift", baseline="new") == []
    assert await saved(store, "drift") == []  # nothing is pinned


def test_saved_queries_say_what_they_show_and_take() -> None:
    by_name = {query.name: query for query in saved_queries()}
    assert sorted(by_name) == ["agreement", "by-class", "drift", "hardest", "history", "leaderboard", "trade-offs"]
    for query in by_name.values():
        assert query.summary.endswith(".") and "$" not in query.summary
        for parameter in query.parameters:
            asked = [line for line in query.sql.splitlines() if not line.startswith("--")]
            assert any(f"${parameter.name}" in line for line in asked), parameter
    with pytest.raises(UserError, match="did you mean 'leaderboard'"):
        saved_query("leaderbord")
    with pytest.raises(UserError, match="no parameter 'modell'; did you mean 'model'"):
        by_name["history"].bound({"modell": "x"})
