"""Stored data sets: their counts, samples in pages, images for a page."""

import io
from pathlib import Path

import pytest
from interface import Interface, interface
from PIL import Image
from story import Story

from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.datasets.pin import pin_dataset


async def stored(api: Interface, folder: Path) -> DatasetRef:
    """Three rows: a wide image, one of a kind that no browser shows, none at all."""
    data = folder / "papers"
    data.mkdir()
    Image.new("RGB", (800, 400), "red").save(data / "wide.png")
    Image.new("RGB", (60, 60), "blue").save(data / "old.tiff")
    (data / "annotation.csv").write_text(
        "id,image_path,question,answer,doc_class,colour\n"
        "a,wide.png,Which colour?,red,paper,warm\nb,old.tiff,And here?,blue,paper,\nc,wide.png,Again?,red,scan,\n"
    )
    return await pin_dataset("papers", folder, api.told.store)


async def test_samples_come_in_pages_with_addresses_of_their_images(api: Interface, tmp_path: Path) -> None:
    ref = await stored(api, tmp_path)
    viewer = api.token("viewer")
    about = await api.get(f"/datasets/{ref.digest}", token=viewer)
    assert about["name"] == "papers" and about["description"]["samples"] == 3
    assert about["description"]["values"]["doc_class"] == {"paper": 2, "scan": 1}
    first = await api.get(f"/datasets/{ref.digest}/samples?limit=2", token=viewer)
    second = await api.get(f"/datasets/{ref.digest}/samples?limit=2&cursor={first['next']}", token=viewer)
    rows = first["items"] + second["items"]
    assert [row["id"] for row in rows] == ["a", "b", "c"] and second["next"] is None
    assert rows[0]["question"] == "Which colour?" and rows[0]["references"] == ["red"]
    assert rows[0]["fields"] == {"colour": "warm"}
    named = await api.get(f"/datasets/{ref.digest}/samples?id=c&id=a", token=viewer)
    assert [row["id"] for row in named["items"]] == ["a", "c"]
    url = rows[0]["images"][0]["url"].removeprefix("/api/v1")
    whole = await api.ask("GET", url, token=viewer)
    assert whole.body == (tmp_path / "papers/wide.png").read_bytes()
    assert whole.headers["Content-Type"] == "image/png" and "immutable" in whole.headers["Cache-Control"]
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    small = await api.ask("GET", f"{url}?width=100", token=viewer)
    assert small.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.body)).size == (128, 64)
    again = await api.ask("GET", url, token=viewer, headers={"If-None-Match": whole.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    tiff = await api.ask("GET", rows[1]["images"][0]["url"].removeprefix("/api/v1"), token=viewer)
    assert tiff.headers["Content-Type"] == "image/jpeg" and Image.open(io.BytesIO(tiff.body)).size == (60, 60)


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/DIGEST/media/%2e%2e%2fmanifest.json",
        "/datasets/DIGEST/media/../samples.parquet",
        f"/datasets/DIGEST/media/{'0' * 64}.svg",
        f"/datasets/DIGEST/media/{'0' * 64}.png",
        f"/datasets/{'0' * 64}/samples",
        f"/datasets/{'0' * 64}",
        f"/datasets/{'0' * 64}/media/{'0' * 64}.png",
        "/datasets/..%2f..%2fjobs/samples",
    ],
)
async def test_nothing_but_a_data_sets_own_is_served(api: Interface, tmp_path: Path, path: str) -> None:
    ref = await stored(api, tmp_path)
    said = await api.ask("GET", path.replace("DIGEST", ref.digest))
    assert said.status in (404, 422), said
    assert said.headers["Content-Type"] == "application/problem+json"


async def test_images_do_not_use_up_what_a_token_may_ask(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with interface(told, tmp_path, monkeypatch, REQUESTS_PER_MINUTE="4") as api:
        ref = await stored(api, tmp_path)
        rows = (await api.get(f"/datasets/{ref.digest}/samples"))["items"]
        url = rows[0]["images"][0]["url"].removeprefix("/api/v1")
        for _ in range(20):
            assert (await api.ask("GET", f"{url}?width=64")).status == 200
        said = [(await api.ask("GET", "/me")).status for _ in range(5)]
        assert said[0] == 200 and said[-1] == 429
