"""Who looks at the page: a browser window that is logged in, and what went wrong in it."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect

# A loaded machine is slow, and no test is about how fast it is.
expect.set_options(timeout=20_000)
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
_FORBIDDEN = """
window.forbidden = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.forbidden.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@dataclass
class Stack:
    """A running `vhb up`."""

    address: str
    token: str
    """An administrator's."""
    folder: Path
    """Where it was started: jobs name files below it."""
    process: "subprocess.Popen[str]"

    async def ask(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Any:
        """A request below /api/v1 as a program makes it; the JSON of its answer."""
        headers = {"Authorization": f"Bearer {token or self.token}"} | options.pop("headers", {})
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.address}/api/v1{path}", headers=headers, **options) as response,
        ):
            body = await response.read()
            assert response.status < 400, body.decode()
            return json.loads(body) if body else None

    async def hand_in(self, job: dict[str, Any]) -> str:
        """Hands a job in; its id."""
        made = await self.ask("POST", "/jobs", json=job)
        return str(made["job_id"])


@dataclass
class Visitors:
    """Opens windows, and keeps what went wrong in them."""

    browser: Browser
    stack: Stack
    wrong: list[str] = field(default_factory=list)
    """What windows complained about; a test that expects something takes it out."""

    async def come(
        self,
        path: str = "/",
        *,
        token: str | None = None,
        language: str = "en",
        dark: bool = False,
        viewport: ViewportSize = DESKTOP,
        logged_in: bool = True,
    ) -> Page:
        """A window of a browser of its own on an address of the page.

        Args:
            path: below the stack's address.
            token: whose session it is; the administrator's by default.
            language: `en` or `ru`.
            dark: whether the system asks for dark pages.
            viewport: DESKTOP or PHONE.
            logged_in: whether there is a session already.
        """
        context = await self.browser.new_context(
            viewport=viewport, locale=language, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        context.set_default_timeout(20_000)
        await context.add_init_script(_FORBIDDEN)
        if logged_in:
            await self._log_in(context, token or self.stack.token)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(f"{path}: {error}"))
        page.on("console", lambda said: self._said(path, said.type, said.text))
        await page.goto(f"{self.stack.address}{path}")
        return page

    async def _log_in(self, context: BrowserContext, token: str) -> None:
        answer = await context.request.post(
            f"{self.stack.address}/api/v1/session", data={"token": token}, headers={"Origin": self.stack.address}
        )
        assert answer.ok, await answer.text()

    def _said(self, path: str, kind: str, text: str) -> None:
        # A response with an error status, or none at all, is said by the browser itself; pages show it in their words.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.wrong.append(f"{path}: {text}")

    def check(self) -> None:
        """Fails where a window complained."""
        assert not self.wrong, "\n".join(self.wrong)


async def accessible(page: Page) -> None:
    """Fails where axe-core finds what WCAG 2.1 AA does not allow."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    tags = json.dumps(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"])
    found = await page.evaluate(f"axe.run(document, {{runOnly: {tags}, resultTypes: ['violations']}})")
    said = [
        f"{one['id']} ({one['help']}): {[node['target'] for node in one['nodes'][:3]]}" for one in found["violations"]
    ]
    assert not said, f"{page.url}\n" + "\n".join(said)


async def fits(page: Page) -> None:
    """Fails where the page is wider than its window: only parts of it may scroll sideways."""
    wide, has = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= has, f"{page.url}: {wide} px in a window of {has} px"


async def nothing_forbidden(page: Page) -> None:
    """Fails where the page tried something that its policy does not allow."""
    assert await page.evaluate("window.forbidden") == []
