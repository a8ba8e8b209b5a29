"""Answers of hostile models are texts: nothing in them runs, hides, or holds the page up."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from results_job import COUNT, TEXTS, asked, choose, finished_job, two_models, write_pages
from visitors import Stack, Visitors, nothing_forbidden

LONG = 5_000_000
KEPT = "4,194,304"
"""Of a longer answer agents keep no more characters."""
SCRIPTS = [
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 2">',
    '"><svg onload="window.hacked = 3"></svg>',
    '<iframe srcdoc="<script>parent.hacked = 4</script>"></iframe>',
    "javascript:window.hacked=5",
    "{{constructor.constructor('window.hacked = 6')()}}",
    "</title></textarea></style><script>window.hacked = 7</script>",
    "<a href='javascript:window.hacked=8'>click</a>",
]
MARKS = "safe\u202egnp.exe\u2066\u200b\u0007\u001b[31m\u00ad end"

pytestmark = pytest.mark.timeout(300)  # on a busy machine the stack alone takes one minute


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hostile(stack: Stack) -> AsyncIterator[str]:
    write_pages(stack.folder / "pages")
    right = {asked(n): text for n, text in enumerate(TEXTS)}
    wrong = right | {asked(n): text for n, text in enumerate(SCRIPTS)}
    wrong |= {asked(8): MARKS, asked(9): "word " * (LONG // 5), asked(10): "\u200b" * 50_000}
    assert COUNT > 10
    with two_models(right, wrong) as urls:
        yield await finished_job(stack, urls, "<script>window.hacked = 9</script>")


async def nothing_ran(page: Page) -> None:
    assert await page.evaluate("window.hacked") is None
    await nothing_forbidden(page)
    assert await page.locator("main script, main iframe, main a[href^=javascript]").count() == 0


async def test_nothing_in_an_answer_runs(visitors: Visitors, hostile: str) -> None:
    page = await visitors.come(f"/jobs/{hostile}/results")
    await expect(page.get_by_role("heading", name="<script>window.hacked = 9</script>")).to_be_visible()
    await nothing_ran(page)
    await page.goto(f"{visitors.stack.address}/jobs/{hostile}/results/samples?run={hostile}-1")
    await expect(page.get_by_role("table", name="Samples")).to_contain_text("<img src=x onerror=")
    for row, text in enumerate(SCRIPTS):
        await page.goto(f"{visitors.stack.address}/jobs/{hostile}/results/samples?run={hostile}-1&row={row}&at={row}")
        await expect(page.get_by_test_id("sample")).to_contain_text(text)
        await nothing_ran(page)
    await page.goto(f"{visitors.stack.address}/jobs/{hostile}/results/compare?pair=1-1")
    await expect(page.get_by_test_id("diff").locator("ins").first).to_be_visible(timeout=60_000)
    await nothing_ran(page)
    await choose(page, "Differences", "off")
    await expect(page.get_by_role("region", name="Text").filter(has_text=SCRIPTS[1])).to_be_visible()
    await nothing_ran(page)


async def test_what_would_hide_or_turn_text_is_named(visitors: Visitors, hostile: str) -> None:
    page = await visitors.come(f"/jobs/{hostile}/results/samples?run={hostile}-1&row=8&at=8")
    sample = page.get_by_test_id("sample")
    await expect(sample).to_contain_text("safeRLOgnp.exeLRIZWSPU+0007ESC[31mSHY end")
    shown = await sample.inner_text()
    assert not set(shown) & set("\u202e\u2066\u200b\u0007\u001b\u00ad")
    await nothing_ran(page)


async def test_five_million_characters_do_not_hold_the_page_up(visitors: Visitors, hostile: str) -> None:
    page = await visitors.come(f"/jobs/{hostile}/results/samples?run={hostile}-1")
    await expect(page.get_by_text(f"{COUNT} samples")).to_be_visible()
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(int(response.headers.get("content-length", 0))))
    await page.evaluate(
        """() => { window.longest = 0; let before = performance.now();
        const tick = () => { const now = performance.now(); window.longest = Math.max(window.longest, now - before);
        before = now; setTimeout(tick, 10); }; tick(); }"""
    )
    await page.get_by_role("button", name="Open 9", exact=True).click()
    sample = page.get_by_test_id("sample")
    await expect(sample).to_contain_text(f"10,000 of {KEPT} characters")
    assert sum(sizes) < 1_000_000, sizes
    before = time.monotonic()
    await sample.get_by_role("button", name="Show all").click()
    await expect(sample.get_by_text(f"of {KEPT} characters")).to_have_count(0, timeout=60_000)
    long = sample.get_by_role("region", name="Long text")
    await long.evaluate("each => each.scrollTo(0, each.scrollHeight)")
    await expect(long).to_contain_text("word word")
    assert await page.evaluate("document.querySelector('main').innerText.length") < 300_000
    held = await page.evaluate("window.longest")
    print(f"shown in {time.monotonic() - before:.1f} s; the page stood still for {held:.0f} ms at most")
    assert held < 2_000
    # Characters that are all named are many parts: they do not, either.
    await page.get_by_role("button", name="Open 10", exact=True).click()
    await expect(sample).to_contain_text("ZWSP")
    assert await page.evaluate("window.longest") < 3_000
    await nothing_ran(page)
