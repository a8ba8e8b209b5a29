"""samples.html in a browser, from disk and without network: what people do with it, and what texts cannot do."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from vhb_shared.store import layout
from vhb_shared.testing.chromium import chromium

from .test_explorer import GOOD, two_models
from .test_hostile import HOSTILE

pytestmark = pytest.mark.slow


async def opened(world: Any, browser: Any, hash_: str = "") -> tuple[Page, list[str]]:
    """The page, and what went wrong in it so far."""
    page = await browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith("file:") else None)
    path = world.store.local_path(layout.job_file("job1", "samples.html"))
    await page.goto(path.as_uri() + hash_)
    await page.wait_for_selector("html[data-ready=yes]")
    return page, problems


async def ids(page: Page) -> list[str]:
    return await page.locator("#rows tr:visible th button").all_inner_texts()


async def test_searching_sorting_filtering_and_looking(world: Any) -> None:
    await two_models(world)
    await world.job()
    async with chromium() as browser:
        page, problems = await opened(world, browser)
        assert await ids(page) == [str(number) for number in range(8)]
        assert await page.inner_text("#count") == "8 of 8 samples"

        await page.click("[data-sort=spread]")
        await page.wait_for_selector("th[aria-sort=descending]")
        assert (await ids(page))[0] == "0" and (await ids(page))[-1] == "7"
        await page.select_option("#class", label="letter")
        await expect(page.locator("#rows tr")).to_have_count(4)
        assert set(await ids(page)) == {"1", "3", "5", "7"}
        await page.click("button[type=reset]")
        await page.fill("#low", "0.05")
        await page.locator("#low").blur()
        await expect(page.locator("#rows tr")).to_have_count(1)
        assert await ids(page) == ["0"]
        await page.click("button[type=reset]")
        await expect(page.locator("#rows tr")).to_have_count(8)
        await page.select_option("#outcome", label="failed")
        await expect(page.locator("#rows tr")).to_have_count(1)
        assert await ids(page) == ["7"]
        await page.click("button[type=reset]")
        await page.fill("#text", "tota1")  # only in an answer of the chosen model
        await expect(page.locator("#rows tr")).to_have_count(1)
        assert await ids(page) == ["0"]
        await page.select_option("#run", label="large")
        await expect(page.locator("#rows tr")).to_have_count(0)
        await page.select_option("#run", label="small")
        await expect(page.locator("#rows tr")).to_have_count(1)

        await page.click("#rows th button")
        await page.wait_for_selector("dialog[open]")
        sides = page.locator("#answers .side")
        assert await sides.count() == 3
        assert await sides.nth(1).locator("del").all_inner_texts() == ["l"]
        assert await sides.nth(1).locator("ins").all_inner_texts() == ["1"]
        assert await sides.nth(2).locator(".text").inner_text() == GOOD[0]
        image = page.locator("#pages img")
        assert await image.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") > 0
        width = (await image.bounding_box())["width"]
        await page.click("#pages button")
        assert (await image.bounding_box())["width"] >= width
        assert await page.get_attribute("#pages button", "aria-pressed") == "true"
        assert page.url.endswith("#t0-i0")
        await page.keyboard.press("Escape")
        assert not await page.locator("dialog[open]").count()
        assert problems == []


async def test_a_link_of_the_report_opens_its_sample(world: Any) -> None:
    await two_models(world)
    await world.job()
    async with chromium() as browser:
        page, problems = await opened(world, browser, "#t0-i7")
        await page.wait_for_selector("dialog[open]")
        assert await page.inner_text("#title bdi") == "7"
        assert "the server answered 500" in await page.inner_text("#answers")
        await page.click("#before")
        await expect(page.locator("#title bdi")).to_have_text("6")
        assert problems == []


async def test_hostile_texts_do_nothing(world: Any) -> None:
    await world.dataset(len(HOSTILE))
    for sample, evil in zip(world.samples, HOSTILE, strict=True):
        sample |= {"id": evil, "question": evil, "references": [evil, "x"], "doc_class": evil, "question_type": evil}
    await world.save_samples()
    answers = [f"{evil} and more" for evil in HOSTILE]
    await world.answer(world.plan_run("small", name="<img src=x onerror=alert(1)>"), answers, [1.0] * len(HOSTILE))
    await world.job("<script>alert(2)</script>")
    async with chromium() as browser:
        page, problems = await opened(world, browser)
        assert await page.locator("#rows tr").count() == len(HOSTILE)
        for number in range(len(HOSTILE)):
            await page.locator("#rows th button").nth(number).click()
            await page.wait_for_selector("dialog[open]")
            await expect(page).to_have_url(re.compile(f"#t0-i{number}$"))
            shown = await page.locator("#answers").inner_text()
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x1b\x7f-\x9f]", shown)
            assert await page.locator("#answers img, #answers svg, #answers script, #answers a").count() == 0
            await page.click("#close")
        assert await page.locator("main :is(img, svg, b, script, iframe)").count() == 0
        assert problems == []


async def test_a_missing_data_file_is_said(world: Any) -> None:
    await two_models(world)
    await world.job()
    await world.store.delete(layout.job_samples("job1", "r1-0.js"))
    async with chromium() as browser:
        page, _ = await opened(world, browser)
        await page.select_option("#run", label="large")
        await page.wait_for_selector("#problem:visible")
        assert "samples/r1-0.js" in await page.inner_text("#problem")
