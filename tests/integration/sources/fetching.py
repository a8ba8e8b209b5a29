"""What is fetched, and what came of it."""

import io
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.pin import pin_dataset
from vhb_shared.errors import UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def parquet(*names: str) -> bytes:
    buffer = io.BytesIO()
    rows = [{"id": name, "image": {"bytes": png(n), "path": None}, "query": f"{name}?"} for n, name in enumerate(names)]
    pl.DataFrame(rows).write_parquet(buffer)
    return buffer.getvalue()


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


async def ids(source: str | DatasetSource, store: ObjectStore) -> list[str]:
    ref = await pin_dataset(source, None, store)
    return pl.read_parquet(await store.get(layout.dataset_samples(ref.digest)))["id"].to_list()


async def refused(source: str | DatasetSource, store: ObjectStore, kind: type[Exception] = UserError) -> str:
    with pytest.raises(kind) as caught:
        await pin_dataset(source, None, store)
    return str(caught.value)
