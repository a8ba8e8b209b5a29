"""Tokens, webhooks, the audit log: as an administrator keeps them, and as others do not see them."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from visitors import PHONE, Stack, Visitors, accessible, fits, nothing_forbidden

sys.path.insert(0, str(Path(__file__).parents[1] / "integration" / "api"))

from receiver import Receiver, answering, receiver


@pytest.fixture(scope="module")
def private_receivers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("VHB_API_WEBHOOKS_PRIVATE", "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def stack(private_receivers: None, stack: Stack) -> Stack:
    return stack


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as listening:
        yield listening


async def test_a_token_is_made_shown_once_and_revoked(visitors: Visitors) -> None:
    page = await visitors.come("/settings/tokens")
    await page.get_by_role("button", name="Make a token").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("ci of us")
    await form.get_by_label("Role").select_option("submitter")
    await accessible(page)
    await form.get_by_role("button", name="Make a token").click()
    shown = page.get_by_role("dialog", name="The token ci of us")
    token = await shown.get_by_role("status").inner_text()
    await accessible(page)
    await shown.get_by_role("button", name="Done").click()
    assert (await visitors.stack.ask("GET", "/me", token=token)) == {"name": "ci of us", "role": "submitter"}
    row = page.get_by_role("row").filter(has_text="ci of us")
    await expect(row).to_contain_text("valid")
    await page.reload()
    await expect(row).to_be_visible()
    assert token not in await page.content()
    await row.get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("revoked")
    with pytest.raises(AssertionError, match="was revoked"):
        await visitors.stack.ask("GET", "/me", token=token)
    # The same name once more is a mistake that is said where it was made.
    await page.get_by_role("button", name="Make a token").click()
    await form.get_by_label("Name").fill("ci of us")
    await form.get_by_role("button", name="Make a token").click()
    await expect(form.get_by_role("alert")).to_contain_text("is named 'ci of us' already")


async def _made(page: Page, there: Receiver) -> str:
    """A webhook, made as a person does it; its secret."""
    await page.get_by_role("button", name="Make a webhook").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name", exact=True).fill("chat")
    await form.get_by_label("Address").fill("http://10.0.0.1/hook")
    await expect(form.get_by_text("Not a single run of it could be completed.")).to_be_visible()
    await form.get_by_role("button", name="Make a webhook").click()
    await expect(form.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    await expect(form.get_by_text(re.compile("^10.0.0.1 is no public address"))).to_be_visible()
    await expect(form.get_by_role("alert")).to_have_count(0)
    await form.get_by_label("Address").fill(there.url)
    await form.get_by_label("job.accepted").check()
    await accessible(page)
    await form.get_by_role("button", name="Make a webhook").click()
    shown = page.get_by_role("dialog", name="The webhook's secret")
    secret = await shown.get_by_role("status").inner_text()
    await shown.get_by_role("button", name="Done").click()
    return secret


async def test_a_webhook_is_made_tried_watched_changed_and_removed(visitors: Visitors, there: Receiver) -> None:
    page = await visitors.come("/settings/webhooks")
    await expect(page.get_by_text("There is no webhook yet")).to_be_visible()
    secret = await _made(page, there)
    await page.get_by_role("link", name="chat").click()
    await page.get_by_role("button", name="Send a test").click()
    ping = page.get_by_role("row").filter(has_text="ping")
    await expect(ping).to_contain_text("delivered")
    (came,) = there.came
    assert came.verify(secret)["data"]["name"] == "chat"
    # What the receiver answers is a stranger's text.
    there.answer = answering(500, text="<img src=x onerror=alert(1)>\u202e")
    await page.get_by_role("button", name="Send a test").click()
    failed = page.get_by_role("row").filter(has_text="It answered 500.")
    await expect(failed).to_contain_text("failed")
    await failed.get_by_role("button", name="ping").click()
    details = page.get_by_role("dialog", name="Delivery")
    await expect(details).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(details.get_by_text("RLO")).to_be_visible()
    await expect(details).to_contain_text('"specversion": "1.0"')
    await accessible(page)
    there.answer = None
    await details.get_by_role("button", name="Send it again").click()
    await expect(details.get_by_text("delivered", exact=True)).to_be_visible()
    assert "delivery=msg_" in page.url, "what is open has an address"
    await page.keyboard.press("Escape")
    assert len({one.id for one in there.came}) == 2 and len(there.came) == 3
    await page.get_by_label("State").select_option("failed")
    await expect(page.get_by_text("No delivery is in this state.")).to_be_visible()
    await page.get_by_role("button", name="Change").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Only of the model").fill("m1")
    await form.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("m1", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Turn off").click()
    await expect(page.get_by_role("button", name="Turn on")).to_be_visible()
    await accessible(page)
    await page.get_by_role("button", name="Send failed ones again").click()
    await page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    await expect(page.get_by_text("0 deliveries are sent again.")).to_be_visible()
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("There is no webhook yet")).to_be_visible()
    await nothing_forbidden(page)


async def test_the_audit_log_is_long_and_the_page_is_not(visitors: Visitors) -> None:
    for start in range(0, 260, 20):
        tries = (visitors.stack.ask("POST", f"/jobs/none-{n}/cancel") for n in range(start, start + 20))
        await asyncio.gather(*tries, return_exceptions=True)
    page = await visitors.come("/settings/audit")
    table = page.get_by_role("table", name="Audit log")
    await expect(table.get_by_role("row").nth(5)).to_contain_text("/cancel")
    reached = 0
    async with asyncio.timeout(30):
        while reached < 250:
            await table.evaluate("table => table.scrollTo(0, table.scrollHeight)")
            await asyncio.sleep(0.1)
            rows = table.get_by_role("row")
            assert await rows.count() < 80, "only what is seen is in the page"
            reached = int(await rows.last.get_attribute("aria-rowindex") or 0)
    await accessible(page)
    phone = await visitors.come("/settings/audit", viewport=PHONE, language="ru", dark=True)
    await expect(phone.get_by_role("table", name="Журнал изменений")).to_be_visible()
    await fits(phone)
    await accessible(phone)


async def test_who_is_no_administrator_sees_what_is_theirs(visitors: Visitors) -> None:
    made = await visitors.stack.ask("POST", "/tokens", json={"name": "looker", "role": "viewer"})
    page = await visitors.come("/settings", token=made["token"])
    await expect(page.get_by_text("Looks at everything, changes nothing.")).to_be_visible()
    await expect(page.get_by_text("ready", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="Webhooks")).to_have_count(0)
    await accessible(page)
    for view in ("tokens", "webhooks", "audit", "webhooks/wh_1"):
        await page.goto(f"{visitors.stack.address}/settings/{view}")
        await expect(page.get_by_text("This is for administrators")).to_be_visible()
    phone = await visitors.come("/settings", viewport=PHONE, language="ru", token=made["token"])
    await expect(phone.get_by_role("heading", name="Сервис")).to_be_visible()
    await fits(phone)
