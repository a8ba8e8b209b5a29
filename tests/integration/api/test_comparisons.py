"""Runs compared over HTTP: the same numbers as `vhb compare`, sample by sample, once for all who ask."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import polars as pl
import psutil
import pytest
import pytest_asyncio
from interface import Interface, interface
from stored_results import parquet, store_results, sum_up
from story import story

from vhb_shared.statistics.comparison import compare_scores
from vhb_shared.store import layout

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST = [0.5, 0.0, 1.0, None, 0.25, 0.5]
SECOND = [0.25, 0.0, 0.0, 0.5, 0.5, 0.0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scored(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Interface]:
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as monkeypatch:
        async with story(folder) as told, interface(told, folder, monkeypatch) as api:
            await told.complete("one", models=2)
            await told.complete("two")
            await api.until("two", "completed")
            await store_results(told, "one-0", ["a"] * 6, FIRST)
            await store_results(told, "one-1", ["b", "bb", "b", "b", "b", "b"], SECOND)
            await store_results(told, "two-0", ["c"] * 6, [0.1] * 6)
            yield api


async def test_it_says_what_the_command_says(scored: Interface) -> None:
    found = await scored.get("/comparisons?run=one-0&run=one-1&run=two-0&by=doc_class")
    tables = [
        pl.read_parquet(scored.told.store.local_path(layout.run_file(each, "scores.parquet")) or Path())
        for each in ("one-0", "one-1")
    ]
    (match,) = found["matches"]
    labels = [match["comparisons"][0]["baseline"], match["comparisons"][0]["candidate"]]
    alone = compare_scores(*tables, names=(labels[0], labels[1]), higher_is_better={"cer": False}, by="doc_class")
    expected = json.loads(alone.model_dump_json())
    for made, wanted in zip(match["comparisons"][0]["differences"], expected["differences"], strict=True):
        assert made | {"p_holm": 0} == wanted | {"p_holm": 0}
    assert [each["run_id"] for each in match["runs"]] == ["one-0", "one-1", "two-0"]
    assert len(match["verdicts"]) == 2 * 3
    assert found["shown"] == [[[False] * 3] * 2]
    # The same verdicts in parts, and how many are corrected together.
    (said,) = found["judged"]
    assert [each["code"] for one in said for each in one] == [
        "not_shown" if "no difference shown" in sentence else "untested" for sentence in match["verdicts"]
    ]
    first, wanted = said[0][0], match["comparisons"][0]["differences"][0]
    assert (first["first"], first["second"], first["lead"]) == (labels[1], labels[0], wanted["difference"])
    assert found["tests"] == sum(
        each["p_value"] is not None for one in match["comparisons"] for each in one["differences"]
    )


async def test_pairs_are_listed_by_how_far_they_are_apart(scored: Interface) -> None:
    found = await scored.get("/comparisons/samples?first=one-0&second=one-1")
    assert (found["metric"], found["higher_is_better"], found["total"]) == ("cer", False, 6)
    assert "".join(each["id"][-1] for each in found["items"]) == "250413"
    best = found["items"][0]
    assert (best["difference"], best["better"]) == (-1.0, "second")
    assert (best["first"]["value"], best["second"]["text"]) == (1.0, "b")
    for query, wanted in {
        "better=second": "250", "better=first": "4", "better=equal": "1", "better=different": "2504",
        "doc_class=invoice": "513", "text=bb": "1", "sort=row&descending=false": "012345",
        "sort=second&descending=false&better=different": "2504",
    }.items():  # fmt: skip
        pairs = await scored.get(f"/comparisons/samples?first=one-0&second=one-1&{query}")
        assert "".join(each["id"][-1] for each in pairs["items"]) == wanted, query
    page = await scored.get("/comparisons/samples?first=one-0&second=one-1&offset=4&limit=2")
    assert page["items"] == found["items"][4:]


async def test_runs_of_other_jobs_are_offered(scored: Interface) -> None:
    found = await scored.get("/runs/one-0/comparable")
    assert [each["run_id"] for each in found] == ["two-0", "one-1"]
    assert [each["run_id"] for each in await scored.get("/runs/one-0/comparable?text=TWO")] == ["two-0"]


async def test_mistakes_are_one_sentence(scored: Interface) -> None:
    for query, status, word in (
        ("run=one-0", 422, "not as it should be"),
        ("run=one-0&run=one-0", 422, "twice"),
        ("run=one-0&run=none-0", 404, "run none-0"),
        ("run=one-0&run=one-1&metric=anls", 409, "anls"),
        ("run=one-0&run=one-1&by=colour", 409, "colour"),
    ):
        said = await scored.ask("GET", f"/comparisons?{query}")
        assert (said.status, word in said.body.decode()) == (status, True), said


async def test_leaderboard_groups_and_files(scored: Interface) -> None:
    before = await scored.get("/jobs/one/leaderboard")
    assert before["reported"] is False
    assert before["comparisons"][0]["runs"][0]["metrics"][0]["value"] == 0.25  # as the event said
    await sum_up(scored.told, "one")
    found = await scored.get("/jobs/one/leaderboard")
    (board,) = found["comparisons"]
    assert found["reported"] and board["metrics"] == [{"metric": "cer", "higher_is_better": False}]
    values = {run["name"]: run["metrics"][0]["value"] for run in board["runs"]}
    assert values == {"m0__t": pytest.approx(0.45), "m1__t": pytest.approx(1.25 / 6)}
    (difference,) = board["differences"]
    assert (difference["baseline"], difference["candidate"]) == ("m1__t", "m0__t") and difference["verdict"]
    said = difference["judged"]
    assert {said["first"], said["second"]} == {"m0", "m1"} and said["p_holm"] == difference["p_holm"]
    assert said["code"] == "not_shown" and "no difference shown" in difference["verdict"] and found["tests"] == 1
    groups = await scored.get("/jobs/one/breakdown?metric=cer&by=doc_class")
    assert (groups["groups"], groups["runs"]) == (["invoice", "receipt"], ["m0__t", "m1__t"])
    assert groups["cells"][1][0]["value"] == pytest.approx((0.5 + 1 + 0.25) / 3)
    assert (await scored.ask("GET", "/jobs/two/breakdown?metric=cer")).status == 404
    assert await scored.get("/jobs/one/performance") == []
    about = await scored.get("/jobs/one/provenance")
    assert about["runs"] == ["m0__t", "m1__t"]
    run = await scored.get("/jobs/one/provenance?run=m0__t")
    assert run["model"]["name"] == "m0" and run["dataset"]["digest"] == scored.told.dataset.digest
    assert run["environment"] is None


async def test_fields_are_counted(scored: Interface) -> None:
    right, wrong = {"fields": {"total": {"right": True}}}, {"fields": {"total": {"right": False}, "date": {"tp": 1}}}
    await store_results(scored.told, "two-0", ["c"] * 6, [0.1] * 6, details=[right, right, wrong, None, "x", {}])
    found = await scored.get("/jobs/two/fields?metric=cer")
    assert (found["runs"], found["fields"]) == (["m0__t"], ["total", "date"])
    assert found["cells"] == [[{"found": 2, "extra": 0, "missed": 1}], [{"found": 1, "extra": 0, "missed": 0}]]


def children() -> list[str]:
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            found.append(" ".join(each.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return [each for each in found if "vhb_shared.computing.worker" in each]


async def until(what: Callable[[], bool], seconds: float) -> None:
    for _ in range(int(seconds / 0.05)):
        if what():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to be")


@pytest.mark.slow
async def test_work_that_nobody_waits_for_ends(scored: Interface) -> None:
    count, draw = 200_000, random.Random(1)
    for run in ("one-0", "one-1"):
        path = layout.run_file(run, "scores.parquet")
        one = pl.read_parquet(scored.told.store.local_path(path) or Path()).head(1)
        rows = pl.int_range(count, dtype=pl.UInt32, eager=True).alias("index")
        names = rows.cast(pl.String)
        values = pl.Series("value", [draw.random() for _ in range(count)])
        # Documents of which each has 50 rows are exchanged at random: seconds of work.
        table = one.select(pl.all().repeat_by(count).explode()).with_columns(
            rows, names.alias("id"), names.alias("sample"), (rows // 50).cast(pl.String).alias("document"),
            (rows // 500).cast(pl.String).alias("doc_class"), values, values.alias("numerator"),
        )  # fmt: skip
        await scored.told.store.put(path, parquet(table, 8192))
    query = "/comparisons?run=one-0&run=one-1&by=doc_class"
    both = [asyncio.create_task(scored.get(query)) for _ in range(2)]
    await until(lambda: bool(children()), 20)
    assert len(children()) == 1
    both[0].cancel()
    await asyncio.sleep(1)
    assert len(children()) == 1  # another waits
    both[1].cancel()
    await until(lambda: not children(), 5)
    assert (await scored.get("/comparisons?run=one-1&run=two-0"))["matches"]
