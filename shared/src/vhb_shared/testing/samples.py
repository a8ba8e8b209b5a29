"""A small pinned data set of real images, made in storage without the data set readers."""

import hashlib
import io
from typing import Any

import polars as pl
from PIL import Image

from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

SAMPLES_SCHEMA: dict[str, Any] = {
    "index": pl.UInt32,
    "id": pl.String,
    "split": pl.String,
    "images": pl.List(pl.String),
    "question": pl.String,
    "references": pl.List(pl.String),
    "doc_class": pl.String,
    "question_type": pl.String,
    "answer_bbox": pl.String,
    "data_index": pl.String,
}


def small_png(number: int, side: int = 16) -> bytes:
    """A PNG that no other number yields."""
    image = Image.new("RGB", (side, side), (number % 256, number // 256 % 256, number // 65536 % 256))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


async def store_samples(store: ObjectStore, count: int, *, images: int | None = None, side: int = 16) -> DatasetRef:
    """Writes samples `s00000`, `s00001`, ... with the questions `question 0`, ... and one image each.

    Args:
        store: where to.
        count: samples.
        images: distinct images, shown in turn; as many as samples by default.
        side: pixels of an image's side.
    """
    names: list[str] = []
    digest = hashlib.sha256(f"{count}/{images}/{side}".encode()).hexdigest()
    for number in range(images or count):
        data = small_png(number, side)
        names.append(f"{hashlib.sha256(data).hexdigest()}.png")
        await store.put(layout.dataset_media(digest, names[-1]), data)
    rows = [
        {
            "index": number,
            "id": f"s{number:05d}",
            "images": [names[number % len(names)]],
            "question": f"question {number}",
            "references": [f"reference {number}"],
            "doc_class": "invoice" if number % 2 else "receipt",
        }
        for number in range(count)
    ]
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema=SAMPLES_SCHEMA).write_parquet(buffer)
    await store.put(layout.dataset_samples(digest), buffer.getvalue())
    await store.put(layout.dataset_manifest(digest), b"{}")
    return DatasetRef(digest=digest, name="samples", source="generated", samples=count)
