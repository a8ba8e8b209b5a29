"""Explore: views with their charts, SQL, saved queries, baselines; over results that the services made."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from person import remote, vhb, write_csv, write_job
from playwright.async_api import Download, Page, Route, expect
from visitors import PHONE, Stack, Visitors, accessible, fits, nothing_forbidden

from vhb_shared.testing.endpoint_process import EndpointProcess

expect.set_options(timeout=20_000)
pytestmark = pytest.mark.timeout(300)  # the stack and its jobs count to the first test
VIEWS = ("leaderboard", "history", "by-class", "trade-offs", "agreement", "hardest", "drift")
EVIL = "other<b>x<img src=x>"
ENDLESS = "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range * b.range = 7"


@pytest.fixture(scope="module")
def jobs(stack: Stack, stand_in: EndpointProcess) -> Iterator[list[str]]:
    """Two runs of one model and one of another over the same answers, and a job that was measured."""
    ids = []
    for name, model, wrong in (("first", "queried", 2), ("second", "queried", 4), ("third", EVIL, 1)):
        rows = [[str(n), "нет" if n < wrong else f"ответ {n}"] for n in range(6)]
        answers = write_csv(stack.folder / f"{name}.csv", ("id", "model_answer"), rows)
        done = vhb("evaluate", answers, "--dataset", stack.folder / "few", "--model", model, "-m", "exact_match",
                   "--out", stack.folder / name, cwd=stack.folder)  # fmt: skip
        ids.append(done.stdout.strip().splitlines()[0])
    task = {"name": "ask", "dataset": str(stack.folder / "few"), "prompt": "{{ question }}", "metrics": ["exact_match"]}
    job = write_job(stack.folder / "measured.yaml", [remote(stand_in.base_url)], [task])
    ids.append(vhb("submit", job, "--wait", cwd=stack.folder).stdout.strip())
    yield ids


def rows_of(page: Page) -> Any:
    return page.get_by_role("table").get_by_role("row")


async def downloaded(file: Download) -> str:
    content = await asyncio.to_thread((await file.path()).read_bytes)
    return content.decode()


async def type_sql(page: Page, sql: str) -> None:
    editor = page.get_by_role("textbox", name="Query")
    await editor.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(sql)


async def test_every_view_has_a_chart_and_a_table(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore")
    for name in ("Leaderboard", "History", "Trade-offs", "Drift"):
        await expect(page.get_by_role("link", name=name)).to_be_visible()
    await accessible(page)
    for name in VIEWS:
        address = f"/explore/view/{name}" + (f"?p.baseline={jobs[0]}" if name == "drift" else "")
        await page.goto(visitors.stack.address + address)
        await expect(page.get_by_role("figure").locator("svg.main-svg").first).to_be_visible()
        await expect(rows_of(page).nth(1)).to_be_visible()
        await accessible(page)
        await nothing_forbidden(page)
        if name == "trade-offs":
            await expect(page.get_by_role("figure")).to_contain_text("remote")
        if name == "drift":
            # From 4 of 6 to 2 of 6.
            await expect(rows_of(page).nth(1)).to_contain_text("0.6667")
            await expect(rows_of(page).nth(1)).to_contain_text("0.3333")


async def test_a_view_is_filtered_sorted_and_linked_to(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore/view/leaderboard")
    await page.get_by_label("Task").fill("few")
    await page.get_by_label("Task").press("Tab")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_text("3 rows")).to_be_visible()
    assert "p.task=few" in page.url
    # A model's name is text, in the table and in the chart.
    await expect(rows_of(page).nth(1)).to_contain_text(EVIL)
    await expect(page.get_by_role("figure")).to_contain_text(EVIL)
    await page.get_by_role("button", name="Value", exact=True).click()
    await page.get_by_role("button", name="Value", exact=True).click()
    await expect(rows_of(page).nth(1)).to_contain_text("0.3333")
    again = await visitors.come(page.url.removeprefix(visitors.stack.address))
    await expect(rows_of(again).nth(1)).to_contain_text("0.3333")
    await expect(again.get_by_label("Task")).to_have_value("few")
    await expect(again.get_by_role("columnheader", name="Value", exact=True)).to_have_attribute(
        "aria-sort", "ascending"
    )

    async with again.expect_download() as file:
        await again.get_by_role("button", name="CSV").click()
    text = await downloaded(await file.value)
    assert {row["model"] for row in csv.DictReader(io.StringIO(text, newline=""))} == {"queried", EVIL}
    async with again.expect_download() as file:
        await again.get_by_role("button", name="JSON").click()
    assert len(json.loads(await downloaded(await file.value))["rows"]) == 3


async def test_filters_offer_what_there_is(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore/view/by-class")
    # The chart below has lists of its own.
    form = page.locator("form")
    model = form.get_by_role("combobox", name="Model", exact=True)
    await model.click()
    options = form.get_by_role("option")
    await expect(options).to_have_text([EVIL, "queried", "remote"])
    await accessible(page)
    # By typing and the keyboard alone.
    await model.press_sequentially("quer")
    await expect(options).to_have_text(["queried"])
    await model.press("ArrowDown")
    await model.press("Enter")
    await expect(model).to_have_value("queried")
    await expect(options).to_have_count(0)
    grouped = form.get_by_role("combobox", name="Grouped by")
    await grouped.click()
    await options.filter(has_text="class and question type").click()
    # What is none of the choices is not one.
    await grouped.press_sequentially("nothing of this kind")
    await expect(page.get_by_text("Nothing of this kind is known.")).to_be_visible()
    await grouped.press("Escape")
    await page.get_by_label("Only these jobs").click()
    await options.filter(has_text=jobs[0]).click()
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(grouped).to_have_value("class and question type")
    assert "p.model=queried" in page.url and "p.level=by_doc_question" in page.url and f"jobs={jobs[0]}" in page.url
    # One word for it: in the filter, in the table, in every language.
    await expect(rows_of(page).nth(1)).to_contain_text("class and question type")
    await nothing_forbidden(page)


async def test_memory_is_told_in_gib(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore/view/trade-offs?cost=memory_peak")

    async def answers(route: Route) -> None:
        answer = await route.fetch()
        found = await answer.json()
        for place, column in enumerate(found["columns"]):
            for row in found["rows"] if column["name"] == "memory_peak" else ():
                row[place] = 3 << 29
        await route.fulfill(response=answer, json=found)

    await page.route("**/api/v1/query", answers)
    await page.reload()
    await expect(page.get_by_role("columnheader", name="Memory, peak (GiB)", exact=True)).to_be_visible()
    await expect(page.get_by_role("cell", name="1.5", exact=True).first).to_be_visible()
    await expect(page.get_by_role("figure")).to_contain_text("Memory, peak (GiB)")


async def test_sql_is_asked_saved_and_seen_by_others(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore/sql")
    await expect(page.get_by_role("textbox", name="Query")).to_be_visible()
    await page.locator("summary").filter(has_text="scores").click()
    await expect(page.get_by_role("button", name="numerator", exact=True)).to_be_visible()
    sql = "SELECT model, count(*) AS answered FROM answers WHERE job_id = $job GROUP BY model"
    await type_sql(page, sql)
    await page.get_by_label("$job").fill(jobs[2])
    await page.get_by_role("textbox", name="Query").press("Control+Enter")
    await expect(rows_of(page).nth(1)).to_contain_text("6")
    await page.get_by_label("Chart").select_option("bar")
    await expect(page.get_by_role("figure").locator("svg.main-svg").first).to_be_visible()
    await accessible(page)
    await nothing_forbidden(page)
    linked = await visitors.come(page.url.removeprefix(visitors.stack.address))
    await expect(linked.get_by_role("figure").locator("svg.main-svg").first).to_be_visible()

    await page.get_by_role("button", name="Save…").click()
    await page.get_by_label("Name", exact=True).fill("Answered of a job")
    await expect(page.get_by_text("A name has small letters")).to_be_visible()
    await page.get_by_label("Name", exact=True).fill("answered")
    await page.get_by_label("What it shows").fill("How many were answered.")
    await page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("heading", name="answered")).to_be_visible()
    made = await visitors.stack.ask("POST", "/tokens", json={"name": "looks", "role": "viewer"})
    other = await visitors.come("/explore", token=made["token"])
    await other.get_by_role("link", name="answered", exact=True).click()
    await other.get_by_label("job", exact=True).fill(jobs[0])
    await other.get_by_label("job", exact=True).press("Tab")  # what it offers lies over the button until then
    await other.get_by_role("button", name="Show", exact=True).click()
    await expect(rows_of(other).nth(1)).to_contain_text("queried")
    await other.goto(f"{visitors.stack.address}/explore/sql")
    await expect(other.get_by_role("button", name="Run")).to_be_visible()
    await expect(other.get_by_role("button", name="Save…")).to_have_count(0)

    await page.goto(f"{visitors.stack.address}/explore")
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Nobody has saved a query yet.")).to_be_visible()


async def test_a_running_query_is_cancelled_and_mistakes_are_said(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore/sql")
    await type_sql(page, "SELECT modle FROM runs")
    await page.get_by_role("button", name="Run").click()
    await expect(page.get_by_role("alert")).to_contain_text("modle")
    await type_sql(page, ENDLESS)
    await page.get_by_role("button", name="Run").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    await type_sql(page, "SELECT range AS n, repeat('long ', 200) AS text FROM range(5000)")
    await page.get_by_role("button", name="Run").click()
    await expect(page.get_by_text("1,000 rows")).to_be_visible()
    await expect(page.get_by_text("There are more rows than these")).to_be_visible()
    # Of a long table only a part is in the page.
    assert await rows_of(page).count() < 100
    await expect(page.get_by_role("button", name="Show more").first).to_be_visible()


async def test_a_baseline_is_pinned_and_compared_with(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore/baselines")
    await page.get_by_label("Data set").fill("few")
    await page.get_by_label("Task").fill("nothing")
    await page.get_by_label("Baseline (a job or a run)").fill(jobs[0])
    await page.get_by_role("button", name="Pin", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("no job or run with results")
    await page.get_by_label("Task").fill("few")
    await page.get_by_label("Note").fill("release 1")
    await page.get_by_role("button", name="Pin", exact=True).click()
    await expect(page.get_by_text("release 1")).to_be_visible()
    await accessible(page)
    await page.get_by_role("link", name="Compare").click()
    await expect(rows_of(page).nth(1)).to_contain_text(jobs[1])
    await page.goto(f"{visitors.stack.address}/explore/baselines")
    await page.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No baseline is pinned.")).to_be_visible()


async def test_on_a_phone_in_russian_and_in_the_dark(visitors: Visitors, jobs: list[str]) -> None:
    page = await visitors.come("/explore/view/leaderboard", viewport=PHONE, language="ru", dark=True)
    await expect(page.get_by_role("heading", name="Таблица лидеров")).to_be_visible()
    await expect(page.get_by_role("figure").locator("svg.main-svg").first).to_be_visible()
    # Numbers of the chart as those of the table.
    await expect(page.get_by_role("figure").locator(".xtick").nth(1)).to_have_text(re.compile(r"^\d,\d+$"))
    await fits(page)
    await accessible(page)
    await page.goto(f"{visitors.stack.address}/explore/sql?sql=SELECT+*+FROM+scores")
    await expect(rows_of(page).nth(1)).to_be_visible()
    await fits(page)
    await accessible(page)
    await nothing_forbidden(page)
