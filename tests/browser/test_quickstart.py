"""The quickstart without the command line: real images, a real OCR engine, from the form to the report.

`make screenshots` keeps what is seen on the way.
"""

import os
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from visitors import PHONE, Visitors, accessible, nothing_forbidden

KEPT = os.environ.get("VHB_SCREENSHOTS")
"""The folder that screenshots are kept in."""
ENGINE_MS = 300_000
"""The engine's environment is made first, where there is none."""


async def keep(page: Page, name: str) -> None:
    """Keeps what is seen, where that is asked for."""
    if KEPT:
        await page.wait_for_timeout(1500)
        await page.screenshot(path=Path(KEPT) / f"web-{name}.png")


@pytest.mark.timeout(600)
async def test_the_quickstart_from_form_to_report(visitors: Visitors) -> None:
    page = await visitors.come("/")
    await page.get_by_role("link", name="Start", exact=True).click()
    await page.get_by_role("button", name=re.compile("quickstart")).click()
    await expect(page.get_by_text("It can start: 2 runs")).to_be_visible()
    await keep(page, "start")
    if KEPT:
        await page.get_by_role("button", name="Show the first requests").click()
        await page.get_by_role("img", name=re.compile("Image 1 of sample")).first.scroll_into_view_if_needed()
        await keep(page, "preview")
    await page.get_by_role("button", name="Start the evaluation").click()
    await expect(page).to_have_url(re.compile(r"/jobs/quickstart-\w+$"))
    job = page.url
    # It is seen at work before the end, without asking for it.
    await expect(page.get_by_text(re.compile(r"^[1-8] / 8$")).first).to_be_visible(timeout=ENGINE_MS)
    await keep(page, "watch")
    if KEPT:
        phone = await visitors.come(job.removeprefix(visitors.stack.address), viewport=PHONE, language="ru", dark=True)
        await keep(phone, "phone")
    await expect(page.get_by_role("link", name="Report", exact=True)).to_be_visible(timeout=ENGINE_MS)
    await accessible(page)

    await page.get_by_role("link", name="Results", exact=True).click()
    board = page.get_by_role("table").first
    await expect(board).to_contain_text("rapidocr-small")
    await keep(page, "results")
    await page.get_by_role("link", name="Compare", exact=True).click()
    pairs = page.get_by_role("table", name="Samples side by side")
    await pairs.get_by_role("row").nth(1).click(timeout=60_000)
    picture = page.get_by_role("img", name="Image 1 of the sample")
    await expect(picture).to_be_visible()
    await picture.scroll_into_view_if_needed()
    await keep(page, "sample")
    await page.goto(job)
    async with page.expect_popup() as opened:
        await page.get_by_role("link", name="Report", exact=True).click()
    report = await opened.value
    await expect(report.locator("h1").first).to_contain_text("quickstart")
    await nothing_forbidden(page)


if KEPT:

    async def test_screenshots_of_other_pages(visitors: Visitors) -> None:
        pages = {
            "jobs": "/jobs",
            "agents": "/agents",
            "registries": "/registries/metrics",
            "settings": "/settings/webhooks",
            "explore": "/explore/view/by-class",
        }
        for name, path in pages.items():
            await keep(await visitors.come(path), name)
