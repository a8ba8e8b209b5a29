"""What came of a job, view by view: leaderboard, groups, comparisons, samples, performance, provenance, files."""

import io
import re
import zipfile
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from results_job import COUNT, TEXTS, asked, choose, finished_job, two_models, write_pages
from visitors import PHONE, Stack, Visitors, accessible, fits, nothing_forbidden

WRONG = range(0, COUNT, 3)

pytestmark = pytest.mark.timeout(300)  # on a busy machine the stack alone takes one minute


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(stack: Stack) -> AsyncIterator[str]:
    """A job: `hasty` misreads every third page, and fails on one."""
    write_pages(stack.folder / "pages")
    right = {asked(n): text for n, text in enumerate(TEXTS)}
    wrong = right | {asked(n): TEXTS[n].replace("total", "totel") for n in WRONG}
    with two_models(right, wrong, rules=[{"match": asked(4), "action": "status", "status": 400}]) as urls:
        yield await finished_job(stack, urls)


@pytest.fixture
def results(made: str) -> str:
    return f"/jobs/{made}/results"


async def test_the_leaderboard_says_who_is_best_and_how_certain_that_is(visitors: Visitors, results: str) -> None:
    page = await visitors.come(results)
    table = page.get_by_role("table", name="Leaderboard of read")
    rows = table.get_by_role("row")
    await expect(rows.nth(1)).to_contain_text("careful")
    await expect(rows.nth(1)).to_contain_text("(best)")
    await expect(rows.nth(2)).to_contain_text("1 failed")
    await expect(page.get_by_text(re.compile("careful beats hasty on cer"))).to_be_visible()
    await expect(page.get_by_text("difference shown")).to_be_visible()
    await expect(page.get_by_text("for the one comparison of the job's report")).to_be_visible()
    await choose(page, "Metric", "exact_match")
    await expect(page).to_have_url(re.compile("metric=exact_match"))
    await page.get_by_role("button", name="Test the differences").click()
    await expect(page.get_by_text(re.compile("careful .*hasty.* on exact_match"))).to_be_visible(timeout=60_000)
    await accessible(page)
    await nothing_forbidden(page)


async def test_groups_are_a_map_and_a_table(visitors: Visitors, results: str) -> None:
    page = await visitors.come(f"{results}/groups?metric=exact_match")
    table = page.get_by_role("table", name="exact_match by group")
    await expect(table.get_by_role("row")).to_have_count(3)
    await expect(page.locator("figure .heatmaplayer image")).to_have_count(1)
    await choose(page, "By", "question_type")
    await expect(table.get_by_role("row")).to_have_count(4)
    await accessible(page)
    await choose(page, "By", "field")
    await expect(page.get_by_text("does not say which fields were right")).to_be_visible(timeout=60_000)
    await nothing_forbidden(page)


async def test_two_runs_are_compared_down_to_the_letter(visitors: Visitors, results: str, made: str) -> None:
    page = await visitors.come(f"{results}/compare")
    pairs = page.get_by_role("table", name="Samples side by side")
    await expect(page.get_by_text(re.compile("careful beats hasty on cer"))).to_be_visible(timeout=60_000)
    # Two metrics of one pair are two comparisons: the corrected p is not that of the leaderboard, and it is said why.
    await expect(page.get_by_text("for all 2 comparisons here")).to_be_visible()
    await choose(page, "Show", "first")
    await expect(page.get_by_text(f"{len(WRONG)} pairs")).to_be_visible()
    await pairs.get_by_role("row").nth(1).click()
    await expect(page).to_have_url(re.compile("pair="))
    diff = page.get_by_test_id("diff")
    await expect(diff.locator("ins").first).to_have_text("e")
    await expect(diff.locator("del").first).to_have_text("a")
    picture = page.get_by_role("img", name="Image 1 of the sample")
    await expect(picture).to_be_visible()
    await expect(picture).not_to_have_js_property("naturalWidth", 0)
    box = page.locator("svg rect[data-of=data]")
    await expect(box).to_have_count(1)
    before = await picture.bounding_box()
    await page.get_by_role("button", name="Larger").click()
    await expect(page.get_by_text("150%")).to_be_visible()
    after = await picture.bounding_box()
    assert before and after and after["width"] > 1.4 * before["width"]
    drawn, shown = await box.bounding_box(), await picture.bounding_box()
    assert drawn and shown and drawn["x"] - shown["x"] == pytest.approx(shown["width"] * 60 / 600, abs=4)
    await accessible(page)
    # The same by its address, and in a comparison with a run of another job.
    address = page.url
    await page.goto(address)
    await expect(page.get_by_test_id("diff").locator("ins").first).to_have_text("e", timeout=60_000)
    await page.get_by_role("button", name="Add a run").click()
    await expect(page.get_by_text("No other run was scored")).to_be_visible()
    await nothing_forbidden(page)


async def test_samples_are_found_and_gone_through_by_keys(visitors: Visitors, results: str, made: str) -> None:
    page = await visitors.come(f"{results}/samples?run={made}-1")
    await expect(page.get_by_text(f"{COUNT} samples")).to_be_visible()
    await page.get_by_label("Text of answer or id").fill("TOTEL")
    await expect(page.get_by_text(f"{len(WRONG)} samples")).to_be_visible()
    await page.get_by_role("table", name="Samples").focus()
    await page.keyboard.press("j")
    sample = page.get_by_test_id("sample")
    await expect(sample).to_contain_text("Invoice 0: totel")
    await expect(sample).to_contain_text("as it was sent, by its hash")
    await page.keyboard.press("j")
    await expect(sample).to_contain_text("Invoice 3: totel")
    await page.keyboard.press("k")
    await expect(sample).to_contain_text("Invoice 0: totel")
    await expect(sample.get_by_test_id("diff").locator("ins")).to_have_text("e")
    await accessible(page)
    address = page.url
    await page.goto(address)
    await expect(sample).to_contain_text("Invoice 0: totel")
    await expect(page.get_by_label("Text of answer or id")).to_have_value("TOTEL")
    await page.get_by_role("button", name="Clear filters").click()
    await choose(page, "Outcome", "failed")
    await expect(page.get_by_text(re.compile("^1 sample(?!s)"))).to_be_visible()
    await choose(page, "Outcome", "")
    await choose(page, "By metric", "cer")
    await choose(page, "Differs from", f"{made}-0")
    await expect(page.get_by_text(f"{len(WRONG) + 1} samples")).to_be_visible()
    await nothing_forbidden(page)


async def test_performance_provenance_and_files(visitors: Visitors, results: str, made: str) -> None:
    page = await visitors.come(f"{results}/performance")
    await expect(page.get_by_role("table", name="Performance and cost").get_by_role("row")).to_have_count(3)
    await accessible(page)
    await page.get_by_role("link", name="Provenance").click()
    await choose(page, "Run", "hasty__read")
    await expect(page.get_by_text("What answered")).to_be_visible()
    await expect(page.get_by_text("stand-in").first).to_be_visible()
    await accessible(page)
    await page.get_by_role("link", name="Files").click()
    await accessible(page)
    async with page.expect_download() as fetched:
        await page.get_by_role("link", name=re.compile("All as a zip file")).click()
    path = await (await fetched.value).path()
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as held:
        assert f"{made}/runs/hasty__read/answers.csv" in held.namelist()
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Open the report").click()
    report = await opened.value
    await expect(report.get_by_role("heading", name="invoices").first).to_be_visible()
    await nothing_forbidden(page)


async def test_every_view_fits_a_phone_in_russian_and_dark(visitors: Visitors, results: str, made: str) -> None:
    page = await visitors.come(results, viewport=PHONE, language="ru", dark=True)
    await expect(page.get_by_role("heading", name="Результаты: invoices")).to_be_visible()
    for view in (
        "",
        "/groups",
        "/compare",
        f"/samples?run={made}-1&row=0&at=0",
        "/performance",
        "/provenance",
        "/files",
    ):
        await page.goto(f"{visitors.stack.address}{results}{view}")
        await expect(page.get_by_role("status")).to_have_count(0, timeout=60_000)
        if view in ("", "/compare"):
            await expect(page.get_by_text(re.compile(r"careful лучше hasty по cer на 0,\d+"))).to_be_visible()
        await fits(page)
        await accessible(page)
