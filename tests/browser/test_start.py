"""Starting an evaluation in a browser: files, form and text, mistakes where they are, an old job as a beginning."""

import asyncio
import re

from playwright.async_api import Page, expect
from visitors import PHONE, Visitors, accessible, fits, nothing_forbidden

from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.samples import small_png


async def add_model(page: Page, address: str) -> None:
    await page.get_by_role("button", name="A server or model of your own").click()
    await page.get_by_label("Name in results").first.fill("mine")
    await page.get_by_label("Model", exact=True).fill("stand-in")
    await page.get_by_label("Address").fill(address)


async def started(page: Page) -> str:
    """Hands the draft in; the job's id, of the address that the page goes to."""
    await expect(page.get_by_text("It can start: 1 run")).to_be_visible()
    await page.get_by_role("button", name="Start the evaluation").click()
    await expect(page).to_have_url(re.compile(r"/jobs/[\w-]+$"))
    return page.url.rpartition("/")[2]


async def completed(visitors: Visitors, job_id: str) -> None:
    async with asyncio.timeout(60):
        while (await visitors.stack.ask("GET", f"/jobs/{job_id}"))["status"] != "completed":  # noqa: ASYNC110 - over REST
            await asyncio.sleep(0.2)


async def test_a_folder_becomes_a_job_and_a_job_a_beginning(visitors: Visitors, endpoint: EndpointProcess) -> None:
    page = await visitors.come("/start")
    await page.get_by_test_id("folder").set_input_files(visitors.stack.folder / "few")
    await expect(page.get_by_label("Data", exact=True)).to_have_value(".")
    await add_model(page, endpoint.base_url)
    await page.get_by_label("Samples of each task").fill("4")
    await accessible(page)
    await page.reload()  # a draft, its files and where they are stay
    await page.get_by_label("Samples of each task").fill("4")
    job_id = await started(page)
    await completed(visitors, job_id)
    (run,) = (await visitors.stack.ask("GET", f"/jobs/{job_id}/runs"))["items"]
    assert run["samples"] == 4 and run["counts"]["answered"] == 4

    await page.goto(f"{visitors.stack.address}/start?clone={job_id}")
    await expect(page.get_by_label("Data", exact=True)).to_have_value(re.compile("^sha256:"))
    await page.get_by_label("Prompt").fill("Read the answer.")
    again = await started(page)
    assert again != job_id
    await completed(visitors, again)
    await nothing_forbidden(page)


async def test_mistakes_are_where_they_were_made(visitors: Visitors, endpoint: EndpointProcess) -> None:
    page = await visitors.come("/start?view=text")
    editor = page.get_by_role("textbox", name="Job file, YAML")
    await editor.fill(
        f"name: wrong # mine\nmodels:\n  - name: mine\n    backend: openai\n    base_url: {endpoint.base_url}\n"
        "tasks:\n  - name: read\n    dataset: few\n    prompt: Read.\n    metrics: [cerr]\n"
    )
    told = page.get_by_text(re.compile("line 10.*cerr"))
    await expect(told.first).to_be_visible()
    await expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    await expect(page.get_by_role("button", name="Start the evaluation")).to_be_disabled()
    await page.get_by_role("button", name="Form", exact=True).click()
    task = page.get_by_role("group", name="read")
    await expect(task.get_by_text(re.compile("cerr.*metric|metric.*cerr"))).to_be_visible()
    await task.get_by_role("button", name="Remove cerr").click()
    await task.get_by_label("Metrics").fill("cer")
    await task.get_by_label("Metrics").press("Enter")
    await expect(page.get_by_text("It can start: 1 run")).to_be_visible()
    await page.get_by_role("button", name="Text", exact=True).click()
    await expect(editor).to_contain_text("name: wrong # mine")
    await expect(editor).to_contain_text("- cer")
    await accessible(page)


async def test_what_will_be_sent_is_shown(visitors: Visitors, endpoint: EndpointProcess) -> None:
    page = await visitors.come("/start")
    await page.get_by_test_id("folder").set_input_files(visitors.stack.folder / "few")
    await expect(page.get_by_label("Data", exact=True)).to_have_value(".")
    await add_model(page, endpoint.base_url)
    await page.get_by_label("Prompt").fill("Sample {{ id }}, read it.")
    await page.get_by_role("button", name="Show the first requests").click()
    await expect(page.get_by_text("Requests 1 to 4")).to_be_visible()
    await expect(page.get_by_text("Sample 0, read it.")).to_be_visible()
    image = page.get_by_alt_text("Image 1 of sample 0")
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    await page.get_by_role("button", name="Later requests").click()
    await expect(page.get_by_text("Requests 5 to 6 of 6")).to_be_visible()
    await expect(page.get_by_text("Sample 5, read it.")).to_be_visible()
    await accessible(page)
    await nothing_forbidden(page)


async def test_mistakes_in_data_are_told_when_they_are_read(visitors: Visitors, endpoint: EndpointProcess) -> None:
    bad = visitors.stack.folder / "bad"
    bad.mkdir()
    (bad / "annotation.csv").write_text("id,image_path,answer\na,a.png,one\nb,none.png,two\n")
    (bad / "a.png").write_bytes(small_png(1))
    page = await visitors.come("/start")
    await page.get_by_test_id("folder").set_input_files(bad)
    await add_model(page, endpoint.base_url)
    await expect(page.get_by_text("It can start: 1 run")).to_be_visible()
    await page.get_by_role("button", name="Start the evaluation").click()
    await expect(page.get_by_role("alert").get_by_text(re.compile("line 3.*none.png"))).to_be_visible()
    await page.get_by_label("Leave out bad rows").check()
    job_id = await started(page)
    await completed(visitors, job_id)


async def test_an_example_is_there_for_who_has_no_data(visitors: Visitors) -> None:
    page = await visitors.come("/start")
    await page.get_by_role("button", name="Example: quickstart").click()
    await expect(page.get_by_text("It can start: 2 runs")).to_be_visible()
    small = page.get_by_role("group", name="rapidocr-small")
    await small.get_by_label("Another setting").select_option("Copies that run at once (replicas)")
    await small.get_by_label("Copies that run at once").fill("1")
    # An engine of ours has no address; whether it is one, the registry says where the entry leaves it to that.
    ours = page.get_by_role("group", name="rapidocr", exact=True)
    await expect(ours.get_by_label("Backend")).to_have_value("")
    await expect(ours.get_by_label("Address")).to_have_count(0)
    await expect(small.get_by_label("Address")).to_have_count(0)
    await small.get_by_label("Backend").select_option("as the registry says")
    await expect(small.get_by_label("Address")).to_be_visible()
    await small.get_by_label("Backend").select_option("ocr")
    await expect(page.get_by_text("It can start: 2 runs")).to_be_visible()
    await page.get_by_role("button", name="Show the first requests").click()
    await expect(page.get_by_text("Read all the text in the image.").last).to_be_visible()
    await expect(page.get_by_text("HARBOUR BAKERY").first).to_be_visible()


async def test_russian_on_a_phone(visitors: Visitors) -> None:
    page = await visitors.come("/start?model=qwen3-vl-8b", viewport=PHONE, language="ru", dark=True)
    await expect(page.get_by_role("button", name="Убрать qwen3-vl-8b")).to_be_visible()
    await fits(page)
    await accessible(page)
    await nothing_forbidden(page)
