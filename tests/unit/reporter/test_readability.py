"""Pages in a browser: a phone, the dark, a screen reader (axe); `make screenshots` keeps what they look like."""

import asyncio
import itertools
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page

from vhb_shared.contracts.job import JobSpec, ReportOptions
from vhb_shared.store import layout
from vhb_shared.testing.chromium import chromium

from .showcase import showcase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]

TOP = Path(__file__).parents[3]
KEPT = os.environ.get("VHB_SCREENSHOTS")
"""The folder that screenshots are kept in."""
PAGES = ("report.html", "samples.html")
LANGUAGES = ("en", "ru")


@pytest.fixture(scope="module")
def written(shared_world: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Addresses of the pages of a job with something in every section, by language and name."""

    async def write() -> dict[str, dict[str, str]]:
        await showcase(shared_world)
        found: dict[str, dict[str, str]] = {}
        for language in LANGUAGES:
            await shared_world.job(spec=JobSpec(name="Office documents", report=ReportOptions(language=language)))
            # The next language's pages are written where these are.
            folder = tmp_path_factory.mktemp(language) / "job"
            shutil.copytree(shared_world.store.local_path(layout.job_file("job1", PAGES[0])).parent, folder)
            found[language] = {name: (folder / name).as_uri() for name in PAGES}
        return found

    return asyncio.run(write())


@pytest.fixture
def pages(written: dict[str, dict[str, str]], language: str) -> dict[str, str]:
    return written[language]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def axe() -> str:
    """The checker's script, which is among what the web page is developed with."""
    subprocess.run(["make", "-s", "web/node_modules/.installed"], cwd=TOP, check=True, capture_output=True)
    return (TOP / "web/node_modules/axe-core/axe.min.js").read_text()


async def opened(browser: Browser, address: str, *, width: int = 1280, dark: bool = False, **more: Any) -> Page:
    scheme = "dark" if dark else "light"
    context = await browser.new_context(
        viewport={"width": width, "height": 860}, color_scheme=scheme, reduced_motion="reduce", **more
    )
    page = await context.new_page()
    await page.goto(address, timeout=90_000)
    if "samples.html" in address:
        await page.wait_for_selector("html[data-ready=yes]")
        if "#" in address:
            await page.wait_for_selector("dialog[open]")
    return page


@pytest.mark.parametrize("language", LANGUAGES)
async def test_nothing_scrolls_sideways_but_tables(pages: dict[str, str], browser: Browser) -> None:
    for address in (*pages.values(), pages["samples.html"] + "#t0-i3"):
        for width in (360, 768, 1280):
            page = await opened(browser, address, width=width)
            # Whatever is folded counts too.
            await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            sizes = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert sizes[0] <= sizes[1], (address, width, sizes)
            await page.context.close()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_screen_reader_finds_its_way(pages: dict[str, str], browser: Browser, axe: str, language: str) -> None:
    for address in (*pages.values(), pages["samples.html"] + "#t0-i3"):
        for dark in (False, True):
            page = await opened(browser, address, dark=dark, bypass_csp=True)
            assert await page.get_attribute("html", "lang") == language
            await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            await page.evaluate(axe)
            found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            said = [
                f"{rule['id']}: {node['target']} {node['failureSummary']}"
                for rule in found["violations"]
                for node in rule["nodes"][:3]
            ]
            assert said == [], (address, dark)
            await page.context.close()


@pytest.mark.parametrize("language", ["en"])
async def test_headings_tables_and_pictures_are_named(pages: dict[str, str], browser: Browser) -> None:
    for address in pages.values():
        page = await opened(browser, address)
        levels = await page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4')].map((one) => Number(one.tagName[1]))"
        )
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
        nameless = await page.evaluate("""[
            [...document.querySelectorAll('table')].filter((one) => !one.caption?.textContent.trim()).length,
            [...document.querySelectorAll('th')].filter((one) => !one.scope).length,
            [...document.querySelectorAll('img')].filter((one) => !one.alt).length,
            [...document.querySelectorAll('figure > svg')].filter((one) => one.getAttribute('role') !== 'img'
              || !one.querySelector('title')?.textContent.trim()
              || !one.querySelector('desc')?.textContent.trim()).length,
        ]""")
        assert nameless == [0, 0, 0, 0]


SHOTS = {
    # name: (page, width, dark, part of the page)
    "report": ("report.html", 1280, False, None),
    "report-dark": ("report.html", 1280, True, None),
    "report-phone": ("report.html", 390, False, None),
    "report-tradeoffs": ("report.html", 1280, False, "#tradeoffs"),
    "report-maps": ("report.html", 1280, False, "#class-map"),
    "report-spread": ("report.html", 1280, False, "#distributions"),
    "report-confusion": ("report.html", 1280, False, "#confusion"),
    "report-fields": ("report.html", 1280, False, "#fields"),
    "report-leaderboard": ("report.html", 1280, False, "#leaderboard"),
    "report-robustness": ("report.html", 1280, False, "#robustness"),
    "report-samples": ("report.html", 1280, False, "#samples"),
    "samples": ("samples.html", 1280, False, None),
    "sample": ("samples.html#t0-i3", 1280, False, None),
    "sample-phone": ("samples.html#t0-i3", 390, True, None),
}
RUSSIAN = {"report-ru": ("report.html", 1280, False, None)}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_screenshots(pages: dict[str, str], browser: Browser, language: str, tmp_path: Path) -> None:
    opened_so: dict[tuple[str, int, bool], Page] = {}
    for name, (address, width, dark, part) in (SHOTS if language == "en" else RUSSIAN).items():
        if (address, width, dark) not in opened_so:
            page_name, _, place = address.partition("#")
            whole = pages[page_name] + (f"#{place}" if place else "")
            opened_so[address, width, dark] = await opened(browser, whole, width=width, dark=dark)
        page = opened_so[address, width, dark]
        target = tmp_path / f"{name}.png"
        if part:
            box = await page.locator(part).bounding_box()
            assert box is not None
            box["height"] = min(box["height"], 900)
            await page.screenshot(path=target, clip=box, full_page=True)  # type: ignore[arg-type]
        else:
            await page.wait_for_timeout(300)
            await page.screenshot(path=target)
        with Image.open(target) as image:
            colours = image.convert("RGB").getcolors(1 << 20)
            assert colours and len(colours) > 50
            if KEPT:
                image.convert("RGB").save(Path(KEPT) / target.name, optimize=True)
    for page in opened_so.values():
        await page.context.close()
