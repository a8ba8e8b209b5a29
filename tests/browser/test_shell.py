"""Logging in, and what is around every page."""

import re

from playwright.async_api import Route, expect
from visitors import PHONE, Visitors, accessible, fits, nothing_forbidden

from vhb.embedded.workdir import Workdir
from vhb_api.access.sessions import Sessions
from vhb_api.access.tokens import Tokens
from vhb_api.db.database import Database


async def test_a_token_becomes_a_session_that_scripts_cannot_read(visitors: Visitors) -> None:
    page = await visitors.come("/jobs", logged_in=False)
    await accessible(page)
    await page.get_by_label("Token").fill("vhb_wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not known")
    await page.get_by_label("Token").fill(visitors.stack.token)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert "vhb-session" not in await page.evaluate("document.cookie")
    kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert visitors.stack.token not in kept
    (cookie,) = await page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and visitors.stack.token not in cookie["value"]
    await page.reload()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    assert await page.context.cookies() == []


async def test_a_link_that_logs_in_does_so_where_the_page_is_open_already(visitors: Visitors) -> None:
    page = await visitors.come("/", logged_in=False)
    await expect(page.get_by_label("Token")).to_be_visible()
    database = Database(Workdir(visitors.stack.folder / ".vhb").api_database)
    owner = Tokens(database).owner()
    assert owner is not None
    code = Sessions(database).code(owner)
    database.close()
    await page.goto(f"{visitors.stack.address}/#code={code}")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert code not in page.url


async def test_language_and_theme_stay(visitors: Visitors) -> None:
    page = await visitors.come("/nowhere", language="ru")
    await expect(page.get_by_role("heading", name="Такой страницы нет")).to_be_visible()
    await page.get_by_label("Язык").select_option("en")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    await page.get_by_role("button", name="Dark theme").click()
    await page.reload()
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    assert await page.evaluate("document.documentElement.className") == "dark"
    await accessible(page)
    await nothing_forbidden(page)


async def test_a_phone_has_the_menu_behind_a_button(visitors: Visitors) -> None:
    page = await visitors.come("/nowhere", viewport=PHONE)
    menu = page.get_by_role("button", name="Menu")
    log_out = page.get_by_role("button", name="Log out")
    await expect(log_out).to_be_hidden()
    await menu.click()
    await expect(log_out).to_be_visible()
    await fits(page)
    await accessible(page)


async def test_a_part_of_the_page_that_did_not_arrive_is_loaded_again(visitors: Visitors) -> None:
    page = await visitors.come("/jobs")
    missed = []

    async def once(route: Route) -> None:
        if missed:
            await route.continue_()
        else:
            missed.append(route.request.url)
            await route.abort("internetdisconnected")

    await page.route(re.compile(r"/assets/agents-.*\.js"), once)
    await page.get_by_role("link", name="Agents").click()
    await expect(page.get_by_role("heading", name="Agents", level=1)).to_be_visible()
    assert missed and page.url.endswith("/agents")
