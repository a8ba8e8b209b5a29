"""The page of a job of 50,000 samples and its results in Chromium: first paint, and until their numbers are there."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from playwright.async_api import Browser, BrowserContext

from bench.figures import Figures, median
from bench.workload import running_stack, vhb, write_dataset, write_job
from vhb.embedded.workdir import Workdir
from vhb_shared.errors import UserError
from vhb_shared.testing.chromium import chromium
from vhb_shared.testing.endpoint_process import EndpointProcess

SAMPLES = 50_000
ROUNDS = 9
LONGEST_S = 60
_TOP = Path(__file__).parents[1]
_HEAD = f"document.querySelector('[data-testid=samples]')?.textContent.includes('{SAMPLES:,}')"
_VALUES = "[...document.querySelectorAll('[role=cell]')].some((cell) => /^[01]\\.[0-9]{4}/.test(cell.textContent))"
_LIST = f"document.body.innerText.includes('{SAMPLES:,} samples')"
PAGES = {
    "/jobs/{job}": ("the job's page", _HEAD),
    "/jobs/{job}/results": ("its results", _VALUES),
    "/jobs/{job}/results/samples": ("its samples", _LIST),
}
"""What is looked at, and the JavaScript that says that the numbers are there."""
_WATCH = """
const look = () => { if (document.body && (%s)) window.there = performance.now(); else requestAnimationFrame(look); };
look();
"""
"""Looks at every frame, in the page: its policy lets nobody bring in code later."""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def measure() -> Figures:
    """One job, then each page in turn, with nothing kept by the browser and with what it kept."""
    built = subprocess.run(["make", "-s", "web"], cwd=_TOP, capture_output=True, text=True, check=False)
    if built.returncode:
        raise UserError(f"the page cannot be built: {built.stderr[-500:].strip()}")
    with tempfile.TemporaryDirectory() as folder, EndpointProcess() as endpoint:
        place, work = Path(folder), Path(folder) / "work"
        dataset = write_dataset(place / "pages", SAMPLES, images=8)
        job = write_job(place / "job.yaml", dataset, endpoint.base_url, metrics="[cer, exact_match]")
        with running_stack(work, "--no-browser"):
            vhb("submit", str(job), "--workdir", str(work), "--wait")
            address = Workdir(work).api_address.read_text().strip()
            token = vhb("api", "token", "create", "first paint", "--workdir", str(work))
            rows = asyncio.run(look(address.removesuffix("/api/v1"), token))
    return Figures(
        name="first_paint",
        title=f"The page on a job of {SAMPLES:,} samples",
        goal="Goal: first paint under 1.5 s, with the numbers of the job's head.",
        columns=("page", "browser", "first paint, s", "numbers, s", "numbers at most, s", "load"),
        rows=rows,
        note=f"Median of {ROUNDS} visits, from the start of the navigation. `new` has nothing of the page yet, `again` "
        "has its files, not its data. Load: the machine's average of a minute, before and after.",
    )


async def look(address: str, token: str) -> list[tuple[str, ...]]:
    """A row for each page and state of the browser.

    Args:
        address: of the stack, without a path.
        token: of somebody who may look.
    """
    async with chromium() as browser:
        context = await _logged_in(browser, address, token)
        listed = await (await context.request.get(f"{address}/api/v1/jobs")).json()
        job = listed["items"][0]["job_id"]
        await context.close()
        taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
        before = os.getloadavg()[0]
        for _ in range(ROUNDS):
            for path in PAGES:
                context = await _logged_in(browser, address, token)
                for state in ("new", "again"):
                    taken.setdefault((path, state), []).append(await _visit(context, address, path, job))
                await context.close()
        load = f"{before:.1f}, {os.getloadavg()[0]:.1f}"
    return [(PAGES[path][0], state, *_written(times), load) for (path, state), times in taken.items()]


def _written(times: Sequence[tuple[float, float]]) -> tuple[str, str, str]:
    painted, there = ([one[place] for one in times] for place in (0, 1))
    return f"{median(painted):.2f}", f"{median(there):.2f}", f"{max(there):.2f}"


async def _visit(context: BrowserContext, address: str, path: str, job: str) -> tuple[float, float]:
    """Seconds until the first paint, and until the numbers are there."""
    page = await context.new_page()
    await page.add_init_script(_WATCH % PAGES[path][1])
    await page.goto(f"{address}{path.format(job=job)}", wait_until="commit")
    give_up = time.monotonic() + LONGEST_S
    while (there := await page.evaluate("window.there ?? null")) is None:
        if time.monotonic() > give_up:
            raise SystemExit(f"{page.url} does not show its numbers")
        await asyncio.sleep(0.1)
    painted = await page.evaluate(_PAINTED)
    await page.close()
    return painted / 1000, there / 1000


async def _logged_in(browser: Browser, address: str, token: str) -> BrowserContext:
    """A browser of its own with a session."""
    context = await browser.new_context(locale="en", viewport={"width": 1280, "height": 900})
    headers: Mapping[str, str] = {"Origin": address}
    answer = await context.request.post(f"{address}/api/v1/session", data={"token": token}, headers=dict(headers))
    if not answer.ok:
        raise SystemExit(f"no session: {await answer.text()}")
    return context
