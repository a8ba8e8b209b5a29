"""A finished job to look at: two models on pages with text on them, of which one makes mistakes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from person import CLASSES, HEADER, TYPES, write_csv
from PIL import Image, ImageDraw
from playwright.async_api import Page
from visitors import Stack

from vhb_shared.testing.endpoint_process import EndpointProcess

COUNT = 24
TEXTS = [f"Invoice {n}: total {100 + 7 * n}.00 EUR, paid on 2026-0{n % 9 + 1}-15" for n in range(COUNT)]


def write_pages(folder: Path) -> Path:
    """A data set of `COUNT` pages with a line of text each, and where that line is."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for n, text in enumerate(TEXTS):
        page = Image.new("RGB", (600, 800), "white")
        draw = ImageDraw.Draw(page)
        draw.text((60, 100 + 20 * (n % 5)), text, fill="black")
        for line in range(12):
            draw.line((60, 260 + 36 * line, 540, 260 + 36 * line), fill="#bbbbbb")
        page.save(folder / f"images/{n}.png")
        box = f"[60, {100 + 20 * (n % 5)}, 400, {114 + 20 * (n % 5)}]"
        question = f"What is on page {n}?"
        kind = (CLASSES[n % 2], TYPES[n % 3])
        rows.append([str(n), "test", f"images/{n}.png", question, text, *kind, box])
    write_csv(folder / "annotation.csv", HEADER, rows)
    return folder


@contextmanager
def two_models(right: dict[str, str], wrong: dict[str, str], **rules: Any) -> Iterator[tuple[str, str]]:
    """Addresses of two models: question -> answer."""
    with EndpointProcess() as first, EndpointProcess() as second:
        first.control(answers=right)
        second.control(answers=wrong, **rules)
        yield first.base_url, second.base_url


def asked(n: int) -> str:
    """The prompt of a page."""
    return f"What is on page {n}?"


async def finished_job(stack: Stack, urls: tuple[str, str], name: str = "invoices") -> str:
    """Runs a job of both models on `pages` to its end; its id."""
    models = [
        {"name": model, "backend": "openai", "model": "stand-in", "base_url": url, "retries": {"max_attempts": 1}}
        for model, url in zip(("careful", "hasty"), urls, strict=True)
    ]
    task = {"name": "read", "dataset": "./pages", "prompt": "{{ question }}", "metrics": ["cer", "exact_match"]}
    return await until_done(stack, await stack.hand_in(
        {"name": name, "models": models, "tasks": [task], "reuse": False}
    ))  # fmt: skip


async def until_done(stack: Stack, job_id: str) -> str:
    """Waits for a job's end."""
    for _ in range(500):
        if (await stack.ask("GET", f"/jobs/{job_id}"))["status"] in ("completed", "failed"):
            return job_id
        await asyncio.sleep(0.2)
    raise AssertionError(f"{job_id} does not end")


async def choose(page: Page, label: str, value: str) -> None:
    """Chooses in a field with a list."""
    await page.get_by_role("combobox", name=label, exact=True).select_option(value)
