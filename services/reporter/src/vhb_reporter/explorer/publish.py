"""Writes samples.html and what it loads into object storage, a few files at a time."""

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path

from vhb_reporter.explorer.data import comparisons, write
from vhb_reporter.explorer.images import Previews, write_preview
from vhb_reporter.explorer.page import samples_page
from vhb_reporter.files import ReportFiles
from vhb_reporter.gather import Gathered
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

_AT_ONCE = 8
_IMAGES_AT_ONCE = 2


async def publish_samples(store: ObjectStore, job_id: str, gathered: Gathered, images: int) -> str:
    """Writes jobs/<job_id>/samples/... and then samples.html.

    Args:
        gathered: the job's results; its files are still there.
        images: previews, at most.

    Returns:
        The key of the page.
    """
    report = gathered.report
    digests = {run.spec.dataset.digest for run in report.runs}
    samples = {digest: await gathered.files.samples(digest) for digest in digests}
    shown = await asyncio.to_thread(comparisons, report.groups, report.runs, gathered.tables, samples)
    # What the report itself shows, people look at first.
    first = [
        (card.samples[0].group.runs[0].spec.dataset.media_digest, image.name)
        for card in report.cards
        for image in card.images
    ]
    previews = Previews(images, first)
    with tempfile.TemporaryDirectory(prefix="vhb-samples-") as name:
        folder = Path(name)
        for comparison in shown:
            windows = write(comparison, folder, previews)
            while (files := await asyncio.to_thread(next, windows, None)) is not None:
                await _send(store, job_id, files)
        await _send_previews(store, job_id, gathered.files, previews, folder)
    page = await asyncio.to_thread(samples_page, report, shown)
    key = layout.job_file(job_id, "samples.html")
    await store.put(key, page.encode())
    return key


async def _send(store: ObjectStore, job_id: str, files: Iterable[Path]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(path: Path) -> None:
        async with gate:
            await store.put_file(layout.job_samples(job_id, path.name), path)
            await asyncio.to_thread(path.unlink)

    await asyncio.gather(*map(one, files))


async def _send_previews(store: ObjectStore, job_id: str, files: ReportFiles, previews: Previews, folder: Path) -> None:
    gate = asyncio.Semaphore(_IMAGES_AT_ONCE)

    async def one(digest: str, name: str, file: str) -> None:
        async with gate:
            image = await files.media(digest, name)
            if image is None or not await asyncio.to_thread(write_preview, image, folder / file):
                return
            await store.put_file(layout.job_samples(job_id, f"images/{file}"), folder / file)
            await asyncio.to_thread((folder / file).unlink)

    # Data sets may share images: one preview serves all of them.
    files_of = {file: image for image, file in previews.chosen.items() if file}
    await asyncio.gather(*(one(digest, name, file) for file, (digest, name) in files_of.items()))
