"""Watching jobs: live to the end, through a restart of the service, in several browsers; cancelled, retried, listed."""

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from person import write_folder
from playwright.async_api import Page, expect
from visitors import PHONE, Stack, Visitors, accessible, fits, nothing_forbidden

from vhb_shared.testing.endpoint_process import EndpointProcess

pytestmark = pytest.mark.timeout(240)  # a restart of the service takes half a minute on a busy machine

ENGINE = Path(__file__).with_name("slow_engine.py")
SAMPLES, SHARD = 96, 4
LONG_MS = 80_000


@pytest.fixture(scope="module", autouse=True)
def data(stack: Stack) -> None:
    write_folder(stack.folder / "many", SAMPLES)


def job(endpoint: EndpointProcess, name: str, **changes: Any) -> dict[str, Any]:
    model = {
        "name": "remote",
        "backend": "openai",
        "model": "stand-in",
        "base_url": endpoint.base_url,
        "concurrency": 4,
    }
    task = {"name": "read", "dataset": "./many", "prompt": f"{name}: {{{{ question }}}}", "metrics": ["cer", "bleu"]}
    return {"name": name, "models": [model], "tasks": [task], "shard_size": SHARD} | changes


def process_of(stack: Stack, module: str) -> psutil.Process:
    """A service of the stack."""
    children = psutil.Process(stack.process.pid).children(recursive=True)
    (found,) = [child for child in children if module in child.cmdline()]
    return found


async def marked(page: Page) -> None:
    await page.evaluate("window.mark = 'never loaded again'")


async def still_marked(page: Page) -> None:
    assert await page.evaluate("window.mark") == "never loaded again"


def samples(page: Page) -> Any:
    return page.get_by_test_id("samples")


async def test_a_job_is_watched_to_its_end_in_the_list_and_on_its_page(
    visitors: Visitors, endpoint: EndpointProcess
) -> None:
    listed = await visitors.come("/jobs")
    await expect(listed.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    await marked(listed)
    endpoint.control(delay_ms=250, rules=[{"match": "вопрос 7?", "status": 400}])
    job_id = await visitors.stack.hand_in(job(endpoint, "watched"))
    row = listed.get_by_role("row").filter(has_text=job_id)
    await expect(row).to_contain_text("running")
    page = await visitors.come(f"/jobs/{job_id}")
    await marked(page)
    await expect(page.get_by_text("in flight", exact=False).first).to_be_visible()
    await expect(page.get_by_text("so far, n =").first).to_be_visible(timeout=LONG_MS)
    await accessible(page)
    await expect(page.get_by_label(re.compile("^Shards: "))).to_have_attribute("aria-label", re.compile(r"done: \d+"))
    await expect(samples(page)).to_have_text(f"{SAMPLES} of {SAMPLES} samples", timeout=LONG_MS)
    head = page.locator("main [aria-live=polite]").first
    await expect(head).to_contain_text("completed", timeout=LONG_MS)
    await expect(page.get_by_role("link", name="Report")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="done, with failures: 1")).to_be_visible()
    await expect(page.get_by_text("400").first).to_be_visible()  # why it failed
    await expect(row).to_contain_text("completed")
    await still_marked(page)
    await still_marked(listed)
    await accessible(page)
    await accessible(listed)
    await nothing_forbidden(page)
    await listed.get_by_label("Name", exact=True).fill("nothing like it")
    await expect(listed.get_by_text("No job is like that.")).to_be_visible()
    await listed.get_by_role("link", name="Show all jobs").click()
    await listed.get_by_role("button", name="completed").click()
    await expect(row).to_be_visible()
    assert "status=completed" in listed.url


async def test_an_engine_warms_up_and_its_log_is_read(visitors: Visitors, endpoint: EndpointProcess) -> None:
    model = {
        "name": "slow", "backend": "sglang", "model": "tiny", "environment": "process",
        "command": [sys.executable, str(ENGINE)],
    }  # fmt: skip
    job_id = await visitors.stack.hand_in(job(endpoint, "warming", models=[model]))
    page = await visitors.come(f"/jobs/{job_id}")
    await expect(page.get_by_text(re.compile(r"Weights are loaded: \d+%"))).to_be_visible(timeout=LONG_MS)
    await expect(page.get_by_text("CUDA graphs are captured: 50%")).to_be_visible(timeout=LONG_MS)
    await accessible(page)
    await expect(page.get_by_text("ready after", exact=False)).to_be_visible(timeout=LONG_MS)
    log = page.get_by_role("log")
    await page.get_by_label("Source").select_option("engine: slow")
    await page.get_by_label("Level").select_option("error")
    await expect(log.get_by_text("<b>not bold</b>")).to_be_visible()
    await expect(log.get_by_text("checkpoint shards")).to_have_count(0)
    await page.get_by_label("Level").select_option("debug")
    await page.get_by_label("Text in the lines").fill("A TOKEN")
    await expect(log.get_by_text("hf_***")).to_be_visible()
    head = page.locator("main [aria-live=polite]").first
    await expect(head).to_contain_text("completed", timeout=LONG_MS)
    (start,) = await visitors.stack.ask("GET", f"/jobs/{job_id}/backends")
    assert start["seconds_to_ready"] > 4
    await page.get_by_role("button", name=re.compile("^Log of slow")).click()
    await expect(page.get_by_role("dialog")).to_contain_text("Capturing CUDA graphs")
    assert "hf_abcdef" not in await page.get_by_role("dialog").inner_text()
    await accessible(page)
    await page.keyboard.press("Escape")
    again = await visitors.stack.hand_in(job(endpoint, "warm", models=[model | {"name": "slow"}], tasks=[
        {"name": "again", "dataset": "./few", "prompt": "Again: {{ question }}", "metrics": ["cer"]}
    ]))  # fmt: skip
    await expect(page).to_have_title(re.compile("warming"))
    await page.goto(f"{visitors.stack.address}/agents")
    await expect(page.get_by_text("slow").first).to_be_visible()
    await accessible(page)
    await fits(page)
    until_over = await visitors.come(f"/jobs/{again}", viewport=PHONE, language="ru", dark=True)
    await expect(until_over.locator("main [aria-live=polite]").first).to_contain_text("завершено", timeout=LONG_MS)
    await fits(until_over)
    await accessible(until_over)


async def test_what_a_job_waits_for_is_said_in_the_pages_language(
    visitors: Visitors, endpoint: EndpointProcess
) -> None:
    model = {
        "name": "large", "backend": "sglang", "model": "tiny", "environment": "process",
        "command": [sys.executable, str(ENGINE)], "resources": {"gpus": 4, "gpu_memory_gib": 79.5},
    }  # fmt: skip
    job_id = await visitors.stack.hand_in(job(endpoint, "large", models=[model]))
    english = "waiting: needs 4 GPUs with 79.5 GiB each; 1 agent online, none has a GPU"
    russian = "нужно 4 GPU по 79,5 ГиБ; 1 агент в сети, GPU нет ни у кого"
    page = await visitors.come(f"/jobs/{job_id}")
    await expect(page.get_by_text(f"large__read: {english}")).to_be_visible()
    page = await visitors.come(f"/jobs/{job_id}", language="ru", viewport=PHONE)
    await expect(page.get_by_text(f"large__read: ждёт: {russian}")).to_be_visible()
    await accessible(page)
    await fits(page)
    agents = await visitors.come("/agents", language="ru")
    await expect(agents.get_by_text(f"large: {russian}")).to_be_visible()
    await visitors.stack.ask("POST", f"/jobs/{job_id}/cancel")
    await expect(page.get_by_text("отменено").first).to_be_visible()


async def test_a_backend_is_what_its_agent_says_and_stopped_when_that_is_killed(
    visitors: Visitors, endpoint: EndpointProcess
) -> None:
    agents = await visitors.come("/agents")
    await expect(agents.get_by_role("heading", name="agent-0")).to_be_visible()
    endpoint.control(delay_ms=100)
    model = {"name": "held", "backend": "openai", "model": "stand-in", "base_url": endpoint.base_url}
    job_id = await visitors.stack.hand_in(job(endpoint, "held", models=[model]))
    page = await visitors.come(f"/jobs/{job_id}")
    backends = page.locator("section").filter(has=page.get_by_role("heading", name="Backends", exact=True))
    shown = agents.get_by_role("listitem").filter(has_text="held")
    # The places that live pages look at are the same: what is warm and idle is so on both.
    await expect(backends.get_by_text("ready, idle", exact=True)).to_be_visible(timeout=LONG_MS)
    await expect(shown).to_contain_text("ready, idle")
    await expect(page.locator("main [aria-live=polite]").first).to_contain_text("completed", timeout=LONG_MS)
    os.kill(process_of(visitors.stack, "vhb_inference_agent").pid, signal.SIGKILL)
    await expect(backends.get_by_text("stopped", exact=True)).to_be_visible(timeout=LONG_MS)
    await expect(backends.get_by_text("ready", exact=False)).to_have_text(re.compile("^ready after"))
    await expect(shown).to_have_count(0, timeout=LONG_MS)
    await accessible(page)


async def test_two_browsers_go_on_by_themselves_when_the_service_was_killed(
    visitors: Visitors, endpoint: EndpointProcess
) -> None:
    endpoint.control(delay_ms=500)
    job_id = await visitors.stack.hand_in(job(endpoint, "killed", shard_size=8))
    english = await visitors.come(f"/jobs/{job_id}")
    pages = [english, await visitors.come(f"/jobs/{job_id}", viewport=PHONE, language="ru")]
    for page in pages:
        await marked(page)
        await expect(samples(page)).to_contain_text(re.compile(r"[1-9]\d*"))
    await expect(english.get_by_text("shards in flight")).to_be_visible()
    before = process_of(visitors.stack, "vhb_api")
    os.kill(before.pid, signal.SIGKILL)
    banner = english.get_by_text("The service does not answer.", exact=False)
    await expect(banner).to_be_visible()
    await expect(banner).to_be_hidden(timeout=LONG_MS)
    assert process_of(visitors.stack, "vhb_api").pid != before.pid
    for page, words, done in zip(
        pages,
        (f"{SAMPLES} of {SAMPLES} samples", f"примеры: {SAMPLES} из {SAMPLES}"),
        ("completed", "завершено"),
        strict=True,
    ):
        await expect(samples(page)).to_have_text(words, timeout=LONG_MS)
        await expect(page.locator("main [aria-live=polite]").first).to_contain_text(done, timeout=LONG_MS)
        await still_marked(page)
        await fits(page)


async def test_a_job_is_cancelled_and_retried_by_who_may(visitors: Visitors, endpoint: EndpointProcess) -> None:
    endpoint.control(delay_ms=2000)
    job_id = await visitors.stack.hand_in(job(endpoint, "stopped"))
    viewer = (await visitors.stack.ask("POST", "/tokens", json={"name": "looks", "role": "viewer"}))["token"]
    looking = await visitors.come(f"/jobs/{job_id}", token=viewer)
    await expect(looking.get_by_role("link", name="Results")).to_be_visible()
    await expect(looking.get_by_role("button", name="Cancel")).to_have_count(0)
    page = await visitors.come(f"/jobs/{job_id}")
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await page.get_by_role("button", name="Keep it running").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await accessible(page)
    await page.get_by_role("button", name="Cancel the job").click()
    for each in (page, looking):
        await expect(each.locator("main [aria-live=polite]").first).to_contain_text("cancelled", timeout=LONG_MS)
    endpoint.control(delay_ms=0)
    await page.get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"\d+ samples were never asked"))
    await page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    await expect(page.locator("main [aria-live=polite]").first).to_contain_text("completed", timeout=LONG_MS)
    await expect(samples(page)).to_have_text(f"{SAMPLES} of {SAMPLES} samples")
    await expect(page.get_by_role("row").filter(has_text="on average")).to_contain_text("/s", timeout=LONG_MS)
    await expect(page.get_by_role("button", name="Retry")).to_have_count(0)


async def test_what_is_not_there_is_said(visitors: Visitors) -> None:
    page = await visitors.come("/jobs/nothing-here")
    await expect(page.get_by_role("heading", name="There is no such job")).to_be_visible()
    await page.get_by_role("link", name="All jobs").click()
    await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
