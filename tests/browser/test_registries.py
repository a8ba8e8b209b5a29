"""What jobs can name, as a person looks it up."""

from typing import Any

import pytest
from playwright.async_api import expect
from visitors import PHONE, Stack, Visitors, accessible, fits, nothing_forbidden

from vhb_shared.testing.endpoint_process import EndpointProcess


async def test_an_entry_is_found_read_copied_and_used(visitors: Visitors) -> None:
    page = await visitors.come("/registries")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await expect(page.get_by_role("link", name="rapidocr")).to_be_visible()
    await accessible(page)
    await page.get_by_label("Search").fill("pp-ocr")
    await expect(page.get_by_role("link", name="qwen3-vl-8b")).to_have_count(0)
    assert page.url.endswith("/registries/models?q=pp-ocr")
    await page.reload()
    await page.get_by_role("link", name="rapidocr").click()
    await expect(page.get_by_role("heading", name="rapidocr")).to_be_visible()
    await page.get_by_role("button", name="Copy as YAML").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("name: rapidocr\nbackend: ocr\n")
    assert await page.get_by_role("link", name="Use in a new job").get_attribute("href") == "/start?model=rapidocr"
    await accessible(page)
    await nothing_forbidden(page)
    await page.get_by_role("link", name="Use in a new job").click()
    await expect(page.get_by_text("rapidocr", exact=True).or_(page.locator("[value=rapidocr]")).first).to_be_visible()
    page = await visitors.come("/start?metric=anls&view=text")
    await expect(page.get_by_text("- anls")).to_be_visible()


async def test_a_metric_says_what_it_measures_and_what_can_be_chosen(visitors: Visitors) -> None:
    page = await visitors.come("/registries/metrics", language="ru", dark=True)
    await page.get_by_role("link", name="chrf", exact=True).click()
    # The first metric of a package takes seconds to be imported.
    await expect(page.get_by_text("chrF2 of the group as a corpus")).to_be_visible(timeout=30_000)
    options = page.get_by_role("table", name="Параметры")
    await expect(options.get_by_role("row").filter(has_text="word_order")).to_contain_text("0")
    await accessible(page)
    page = await visitors.come("/registries/metrics/nothing", viewport=PHONE)
    await expect(page.get_by_role("alert")).to_contain_text("There is no entry 'nothing'")
    await fits(page)


async def test_a_table_that_goes_on_to_the_right_shows_it_at_its_edge(visitors: Visitors) -> None:
    page = await visitors.come("/registries", viewport=PHONE)
    table = page.get_by_role("table", name="Models")
    edge = table.locator("..").locator("[data-more]")
    await expect(edge).to_have_attribute("data-more", "right")
    await table.evaluate("one => one.scrollTo(one.scrollWidth, 0)")
    await expect(edge).to_have_attribute("data-more", "left")
    await page.set_viewport_size({"width": 1600, "height": 900})
    await expect(table).to_be_visible()
    await expect(edge).to_have_count(0)
    await accessible(page)


@pytest.fixture
async def used(stack: Stack, endpoint: EndpointProcess) -> str:
    """A job has been handed in with `few`: the digest of it."""
    job: dict[str, Any] = {
        "name": "few",
        "models": [{"name": "m", "backend": "openai", "model": "stand-in", "base_url": endpoint.base_url}],
        "tasks": [{"name": "t", "dataset": "few", "prompt": "Read.", "metrics": ["cer"]}],
    }
    await stack.hand_in(job)
    found: list[dict[str, str]] = []
    while not found:
        found = (await stack.ask("GET", "/datasets"))["items"]
    return found[0]["digest"]


async def test_a_stored_data_set_shows_its_samples(visitors: Visitors, used: str) -> None:
    page = await visitors.come("/registries/datasets")
    await page.get_by_role("table", name="In storage").get_by_role("link").click()
    await expect(page).to_have_url(f"{visitors.stack.address}/datasets/{used}")
    samples = page.get_by_role("table", name="Samples")
    await expect(samples.get_by_role("row")).to_have_count(7)
    await expect(samples).to_contain_text("вопрос 3?")
    image = samples.get_by_role("img").first
    await expect(image).to_have_js_property("complete", True)
    await expect(image).not_to_have_js_property("naturalWidth", 0)
    await samples.get_by_role("button").first.click()
    await expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    await accessible(page)
    await page.keyboard.press("Escape")
    assert (await page.get_by_role("link", name="Use in a new job").get_attribute("href") or "").endswith(used)
    await nothing_forbidden(page)
    phone = await visitors.come(f"/datasets/{used}", viewport=PHONE, dark=True)
    await expect(phone.get_by_role("table", name="Samples")).to_be_visible()
    await fits(phone)
    await accessible(phone)
