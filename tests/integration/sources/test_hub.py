"""Data sets from the hub, fetched whole or not at all, from a real server on the loopback."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from fetching import ids, parquet, png, refused

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.pin import load_manifest, pin_dataset
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.testing.hub import Hub, running_hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "hub" / "org" / "bench"
    for name, rows in {
        "one/val-00000-of-00002.parquet": ("a",),
        "one/val-00001-of-00002.parquet": ("b",),
        "one/test-00000-of-00001.parquet": ("t",),
        "two/val-00000-of-00001.parquet": ("c",),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(parquet(*rows))
    (folder / "README.md").write_text("# A data set\n")
    pages = folder / "pages"
    pages.mkdir()
    (pages / "rows.jsonl").write_text('{"id": "p", "image": "images/p.png", "query": "?"}\n')
    (pages / "images").mkdir()
    (pages / "images/p.png").write_bytes(png(9))
    with running_hub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def fetched_files(hub: Hub) -> list[str]:
    return sorted({asked.partition("/resolve/")[2].partition("/")[2] for asked in hub.asked if "/resolve/" in asked})


async def test_a_split_of_a_configuration_of_the_hub(hub: Hub, store: ObjectStore) -> None:
    source = DatasetSource(source="hf://org/bench/one:val", columns={"question": "query"})
    ref = await pin_dataset(source, None, store)
    frame = pl.read_parquet(await store.get(layout.dataset_samples(ref.digest)))
    assert frame["id"].to_list() == ["a", "b"] and frame["question"].to_list() == ["a?", "b?"]
    assert (ref.name, ref.source) == ("org/bench", "hf://org/bench/one:val")
    how = (await load_manifest(ref.digest, store)).how
    assert how is not None and len(how.revision or "") == 40, "the exact commit is kept"
    assert fetched_files(hub) == ["README.md", "one/val-00000-of-00002.parquet", "one/val-00001-of-00002.parquet"]
    assert await ids(f"hf://datasets/org/bench@{how.revision}/one:val", store) == ["a", "b"]
    assert await ids(DatasetSource(source="hf://org/bench/one:val", split="test"), store) == ["t"]
    assert await ids(DatasetSource(source="hf://org/bench", config="*", split="val"), store) == ["a", "b", "c"]


async def test_offline_from_the_cache(hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    hub.shutdown()
    hub.server_close()
    assert "does not answer" in await refused("hf://org/bench/one:val", store, Unavailable)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    assert "1 of 1 files are not in the cache" in await refused("hf://org/bench/one:test", store)
    assert "is not in the cache; fetch it once" in await refused("hf://org/other", store)


async def test_a_local_snapshot_is_a_folder(hub: Hub, store: ObjectStore, tmp_path: Path) -> None:
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    (snapshot,) = (tmp_path / "hf/hub/datasets--org--bench/snapshots").iterdir()
    assert await ids(DatasetSource(source=str(snapshot), config="one", split="val"), store) == ["a", "b"]


async def test_a_download_that_broke_off_is_never_used(
    hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fail_on = "one/val-00001-of-00002.parquet"
    with pytest.raises((Unavailable, UserError)):
        await pin_dataset("hf://org/bench/one:val", None, store)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "1 of 2 files are not in the cache" in await refused("hf://org/bench/one:val", store)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.fail_on = None
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]


async def test_files_of_the_hub_that_are_no_parquet(
    hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hub.root / "org/bench/annotation.csv").write_text("image_path;question\npages/images/p.png;q\n")
    folder = DatasetSource(source="hf://org/bench", files=("annotation.csv", "pages/images/*"))
    assert await ids(folder, store) == ["0"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert await ids(folder, store) == ["0"]
    monkeypatch.delenv("HF_HUB_OFFLINE")
    one = DatasetSource(source="hf://org/bench", files=("one/test-00000-of-00001.parquet",))
    assert await ids(one, store) == ["t"], "one file by its name is that file"
    assert 'has no file "nowhere/*"' in await refused(one.model_copy(update={"files": ("nowhere/*",)}), store)


async def test_what_the_hub_refuses(hub: Hub, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such data set" in await refused("hf://org/nothing", store)
    assert "no such revision" in await refused("hf://org/bench@v9/one:val", store)
    assert 'no split "dev"; there are: ' in await refused("hf://org/bench/one:dev", store)
    assert "expected hf://org/name" in await refused("hf://bench", store)
    hub.token = "secret"
    assert "set HF_TOKEN" in await refused("hf://org/bench/one:val", store)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert await ids("hf://org/bench/one:val", store) == ["a", "b"]
    monkeypatch.setenv("VHB_SOURCE_GIB", "0.0000001")
    assert "more than VHB_SOURCE_GIB allows" in await refused("hf://org/bench/one:val", store)


async def test_a_hub_in_trouble_is_waited_for(hub: Hub, store: ObjectStore) -> None:
    hub.broken = True
    assert "the hub cannot answer now (status 503)" in await refused("hf://org/bench/one:val", store, Unavailable)
