"""Pinning: what is stored, under which digest, and what is refused."""

import asyncio
import hashlib
import io
import os
import time
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from vhb_shared.contracts.results import SAMPLE_COLUMNS
from vhb_shared.datasets.pin import load_manifest, load_pinned, pin_dataset
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store import layout


def rows(*images: str) -> list[tuple[str, ...]]:
    return [("0", "test", image, f"вопрос {n}", f"ответ {n}", "паспорт", "номер", "") for n, image in enumerate(images)]


def stored_samples(store, digest: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(store.objects[layout.dataset_samples(digest)]))


async def test_stores_samples_media_and_the_manifest_last(make_folder, store) -> None:
    folder = make_folder(rows("images/0.png", "images/1.png", "images/0.png"))
    ref = await pin_dataset("demo_mini", folder.parent, store)
    assert (ref.name, ref.source, ref.samples, ref.skipped_rows) == ("demo_mini", "demo_mini", 3, 0)
    assert store.written[-1] == layout.dataset_manifest(ref.digest)
    shas = [hashlib.sha256((folder / f"images/{n}.png").read_bytes()).hexdigest() for n in (0, 1)]
    media = sorted(key for key in store.objects if "/media/" in key)
    assert media == sorted(layout.dataset_media(ref.digest, f"{sha}.png") for sha in shas), "each image once"
    frame = stored_samples(store, ref.digest)
    assert tuple(frame.columns) == SAMPLE_COLUMNS
    assert frame.schema["index"] == pl.UInt32 and frame.schema["references"] == pl.List(pl.String)
    assert frame["id"].to_list() == ["0", "1", "2"]
    assert frame["images"].to_list() == [[f"{shas[0]}.png"], [f"{shas[1]}.png"], [f"{shas[0]}.png"]]
    assert frame["question"].to_list() == ["вопрос 0", "вопрос 1", "вопрос 2"]
    assert frame["references"].to_list() == [["ответ 0"], ["ответ 1"], ["ответ 2"]]
    assert frame["answer_bbox"].to_list() == [None, None, None]
    assert await load_pinned(ref.digest, store) == ref
    assert await pin_dataset(f"sha256:{ref.digest}", None, store) == ref


async def test_the_second_time_writes_nothing(make_folder, store) -> None:
    folder = make_folder(rows("images/0.png"))
    first = await pin_dataset(str(folder), None, store)
    store.written.clear()
    assert await pin_dataset(str(folder), None, store) == first
    assert store.written == []


async def test_digest_is_of_content_not_of_names(make_folder, store) -> None:
    one = await pin_dataset(str(make_folder(rows("images/0.png", "images/1.png"))), None, store)
    renamed = make_folder(rows("b/x.png", "y.png"), name="other", images=("b/x.png", "y.png"), delimiter=",")
    assert (await pin_dataset(str(renamed), None, store)).digest == one.digest
    swapped = make_folder(rows("images/1.png", "images/0.png"), name="swapped")
    assert (await pin_dataset(str(swapped), None, store)).digest != one.digest


async def test_the_extension_is_that_of_the_content(make_folder, store) -> None:
    folder = make_folder(rows("images/0.png"))
    Image.new("RGB", (4, 4)).save(folder / "images/0.png", format="JPEG")
    ref = await pin_dataset(str(folder), None, store)
    assert stored_samples(store, ref.digest)["images"].to_list()[0][0].endswith(".jpg")


async def test_bad_rows_refuse_and_are_listed(make_folder, store) -> None:
    folder = make_folder(rows("images/0.png", *(f"images/missing{n}.png" for n in range(25))))
    with pytest.raises(UserError) as caught:
        await pin_dataset(str(folder), None, store)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[0] == (
        'annotation.csv, line 3, column image_path: expected an image file, "images/missing0.png" does not exist'
    )
    assert caught.value.problems[-1] == "and 5 more"
    assert "25 bad rows of 26" in str(caught.value) and "--skip-bad-rows" in str(caught.value)
    assert store.objects == {}


async def test_skipped_rows_keep_their_numbers_and_are_counted(make_folder, store) -> None:
    folder = make_folder(rows("nowhere.png", "images/0.png", "nowhere.png", "images/1.png"))
    ref = await pin_dataset(str(folder), None, store, skip_bad_rows=True)
    assert (ref.samples, ref.skipped_rows) == (2, 2)
    assert stored_samples(store, ref.digest)["id"].to_list() == ["1", "3"]
    manifest = await load_manifest(ref.digest, store)
    assert [problem.split(":")[0] for problem in manifest.bad_rows] == [
        "annotation.csv, line 2, column image_path",
        "annotation.csv, line 4, column image_path",
    ]


async def test_a_data_set_that_lost_its_last_rows_is_not_the_whole_one(make_folder, store) -> None:
    whole = await pin_dataset(str(make_folder(rows("images/0.png"))), None, store)
    cut_folder = make_folder(rows("images/0.png", "nowhere.png"), name="cut")
    cut = await pin_dataset(str(cut_folder), None, store, skip_bad_rows=True)
    assert cut.digest != whole.digest
    assert (await load_pinned(cut.digest, store)).skipped_rows == 1
    assert (await load_pinned(whole.digest, store)).skipped_rows == 0


async def test_nothing_good_left(make_folder, store) -> None:
    with pytest.raises(UserError, match="every one of its 2 rows is bad"):
        await pin_dataset(str(make_folder(rows("a.png", "b.png"))), None, store, skip_bad_rows=True)


async def test_header_alone_is_an_empty_data_set(make_folder, store) -> None:
    with pytest.raises(UserError, match="empty data set"):
        await pin_dataset(str(make_folder([])), None, store)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("PNG", "png"), ("JPEG", "jpg"), ("MPO", "jpg"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp"),
     ("TIFF", "tiff"), ("PPM", "ppm"), ("JPEG2000", "jp2")],
)  # fmt: skip
async def test_every_kind_of_image_is_taken_as_it_is(make_folder, store, kind: str, suffix: str) -> None:
    folder = make_folder(rows("x.png"))
    Image.effect_noise((64, 64), 80).convert("RGB").save(folder / "x.png", format=kind)
    ref = await pin_dataset(str(folder), None, store)
    ((name,),) = stored_samples(store, ref.digest)["images"].to_list()
    assert name.endswith(f".{suffix}"), "by its content, not by its name"
    assert store.objects[layout.dataset_media(ref.digest, name)] == (folder / "x.png").read_bytes()


def _huge_png(path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(path)


def _cut(suffix: str):
    def write(path: Path) -> None:
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 80).convert("RGB").save(buffer, format=suffix)
        path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.write_bytes(b"%PDF-1.7 not a picture"), "is none or is damaged"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.mkdir(), "is not a plain file"),
        (lambda path: os.mkfifo(path), "is not a plain file"),
        (_cut("PNG"), "is none or is damaged"),
        (_cut("JPEG"), "is none or is damaged"),
        (_cut("WEBP"), "is none or is damaged"),
        (_cut("TIFF"), "is none or is damaged"),
        (_huge_png, "at most 100 megapixels"),
    ],
)
async def test_what_is_no_image_is_a_bad_row(make_folder, store, write, said: str) -> None:
    folder = make_folder(rows("images/0.png", "x.png"))
    write(folder / "x.png")
    with pytest.raises(UserError) as caught:
        await pin_dataset(str(folder), None, store)
    (problem,) = caught.value.problems
    assert problem.startswith("annotation.csv, line 3, column image_path: expected an image") and said in problem


async def test_an_image_slightly_over_the_bound_says_its_size(make_folder, store) -> None:
    folder = make_folder(rows("big.png"))
    Image.new("1", (11_000, 10_000)).save(folder / "big.png")
    with pytest.raises(UserError, match="has 110 megapixels"):
        await pin_dataset(str(folder), None, store)


async def test_a_source_that_is_nowhere(tmp_path: Path, store) -> None:
    with pytest.raises(UserError, match=r"no such file or folder .*nowhere.*no registry entry"):
        await pin_dataset("nowhere", tmp_path, store)
    with pytest.raises(
        UserError, match=r"no reader for .ftp://.; expected hf://, s3://, https:// or a .csv file; .*a folder"
    ):
        await pin_dataset("ftp://host/x", tmp_path, store)
    (tmp_path / "data.bin").write_bytes(b"x")
    with pytest.raises(UserError, match="no reader for this kind of file"):
        await pin_dataset("data.bin", tmp_path, store)
    with pytest.raises(UserError, match="not in storage"):
        await pin_dataset("sha256:" + "0" * 64, tmp_path, store)
    with pytest.raises(UserError, match="64 hexadecimal digits"):
        await pin_dataset("sha256:../../x", tmp_path, store)


async def test_storage_that_fails_leaves_no_manifest_and_the_next_time_goes_on(make_folder, store) -> None:
    folder = make_folder(rows("images/0.png", "images/1.png"))
    store.fail_on = "samples.parquet"
    with pytest.raises(Unavailable):
        await pin_dataset(str(folder), None, store)
    assert not any(key.endswith("manifest.json") for key in store.objects)
    store.fail_on = None
    store.written.clear()
    ref = await pin_dataset(str(folder), None, store)
    assert store.written == [layout.dataset_samples(ref.digest), layout.dataset_manifest(ref.digest)]


async def test_failing_media_raise_the_error_itself(make_folder, store) -> None:
    store.fail_on = "/media/"
    with pytest.raises(Unavailable):
        await pin_dataset(str(make_folder(rows("images/0.png", "images/1.png"))), None, store)


async def test_progress_is_told_and_the_event_loop_stays_free(make_folder, store) -> None:
    folder = make_folder(rows(*("images/0.png" for _ in range(9000))))
    told: list[tuple[int, int | None]] = []
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    ticking = asyncio.create_task(tick())
    ref = await pin_dataset(str(folder), None, store, on_progress=lambda done, total: told.append((done, total)))
    ticking.cancel()
    assert stored_samples(store, ref.digest)["index"].to_list() == list(range(9000)), "order of the row groups"
    assert (9000, None) in told and told[-1] == (1, 1)
    assert longest < 0.5, f"the event loop was blocked for {longest:.2f} s"


async def test_cancelling_ends_the_thread_before_its_folder_goes(make_folder, store) -> None:
    folder = make_folder(rows(*("images/0.png" for _ in range(20_000))))
    task = asyncio.create_task(pin_dataset(str(folder), None, store))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.objects == {}
