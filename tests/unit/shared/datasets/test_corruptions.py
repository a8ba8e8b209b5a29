"""Images made worse: always the same, more with more severity; and the data sets and tasks made of them."""

import asyncio
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from vhb_shared.contracts.dataset import Corruption
from vhb_shared.contracts.job import Filter, JobSpec, TaskEntry
from vhb_shared.datasets.corruptions import corrupt
from vhb_shared.datasets.derive import corrupted_dataset
from vhb_shared.datasets.pin import load_manifest, pin_dataset
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.jobs.bundle import bundle_job
from vhb_shared.jobs.expand import expand_job
from vhb_shared.jobs.load import LoadedJob
from vhb_shared.jobs.tasks import task_problems
from vhb_shared.registry.registry import Registry
from vhb_shared.store import layout

KINDS = ("blur", "noise", "brightness", "gray", "rotation", "spatter", "jpeg")


def page(mode: str = "RGB", size: tuple[int, int] = (160, 120), kind: str = "PNG", **options: object) -> bytes:
    image = Image.new("RGB", size, (250, 240, 220))
    draw = ImageDraw.Draw(image)
    for line in range(5):
        draw.text((10, 10 + 20 * line), f"Invoice {line} total 38.28", fill=(120, 20, 20))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_again_and_worse_with_severity(kind: str) -> None:
    data = page()
    made = [corrupt(data, Corruption(kind=kind, severity=severity)) for severity in range(1, 6)]
    assert made == [corrupt(data, Corruption(kind=kind, severity=severity)) for severity in range(1, 6)]
    assert len({data, *made}) == 6
    if kind == "rotation":
        widths = [Image.open(io.BytesIO(item)).width for item in made]
        assert widths == sorted(widths) and widths[0] > 160, "nothing is cut off"
        return
    distances = [float(np.abs(pixels(item) - pixels(data)).mean()) for item in made]
    assert distances == sorted(distances) and distances[0] > 0.05
    assert all(Image.open(io.BytesIO(item)).size == (160, 120) for item in made)


def test_what_is_random_depends_on_the_seed_and_the_image() -> None:
    one, other = page(), page(size=(162, 120))
    assert corrupt(one, Corruption(kind="noise")) != corrupt(one, Corruption(kind="noise", seed=1))
    first = pixels(corrupt(one, Corruption(kind="noise")))[:, :100] - pixels(one)[:, :100]
    second = pixels(corrupt(other, Corruption(kind="noise")))[:, :100] - pixels(other)[:, :100]
    assert not np.array_equal(first, second), "every image has grains of its own"
    assert corrupt(one, Corruption(kind="blur")) == corrupt(one, Corruption(kind="blur", seed=9))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I;16"])
@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_mode(mode: str, kind: str) -> None:
    data = page(mode, kind="TIFF" if mode == "CMYK" else "PNG") if mode != "I;16" else _deep()
    with Image.open(io.BytesIO(corrupt(data, Corruption(kind=kind)))) as image:
        assert image.format == ("JPEG" if kind == "jpeg" else "PNG") and image.mode == "RGB"


def _deep() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def test_orientation_is_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = page(kind="JPEG", exif=exif)
    for kind in KINDS:
        with Image.open(io.BytesIO(corrupt(data, Corruption(kind=kind)))) as image:
            assert image.getexif()[0x0112] == 6, kind


def test_how_corruptions_may_be_written() -> None:
    task = TaskEntry.model_validate({"name": "t", "corruptions": ["gray", {"kind": "blur", "severity": [1, 5]}]})
    assert [corruption.label for corruption in task.corruptions] == ["gray-3", "blur-1", "blur-5"]
    assert Corruption(kind="noise", severity=2, seed=7).label == "noise-2-s7"
    for wrong in ({"kind": "fog"}, {"kind": "blur", "severity": 6}, {"kind": "blur", "sevrity": 1}, 3):
        with pytest.raises(ValidationError):
            TaskEntry.model_validate({"name": "t", "corruptions": [wrong]})
    twice = TaskEntry.model_validate({"name": "t", "corruptions": ["blur", "blur"], "answers": "a.csv"})
    said = [problem for _, problem in task_problems(twice)]
    assert "corruption blur-3 is listed twice" in said[0] and "know no `corruptions`" in said[1]


def write_data(folder: Path, images: int = 3) -> Path:
    folder.mkdir()
    lines = ["image_path;question;answer;doc_class;note"]
    for number in range(images):
        (folder / f"{number}.png").write_bytes(page(size=(160, 100 + number)))
        lines += [f"{number}.png;q{number};a;{'even' if number % 2 == 0 else 'odd'};n", f"{number}.png;again;b;x;"]
    (folder / "annotation.csv").write_text("\n".join(lines))
    return folder


def frame(store, digest: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(store.objects[layout.dataset_samples(digest)]))


async def test_a_derived_data_set_has_everything_but_the_images(tmp_path: Path, store) -> None:
    base = await pin_dataset(str(write_data(tmp_path / "d")), None, store)
    blur = Corruption(kind="blur")
    ref = await corrupted_dataset(base.digest, blur, Filter(), None, store)
    assert (ref.name, ref.samples) == ("d~blur-3", 6) and ref.digest != base.digest
    before, after = frame(store, base.digest), frame(store, ref.digest)
    assert before.drop("images").equals(after.drop("images")), "documents too, so that statistics pair them"
    assert all(a != b for a, b in zip(before["images"].to_list(), after["images"].to_list(), strict=True))
    manifest = await load_manifest(ref.digest, store)
    assert manifest.derived is not None and manifest.derived.of == base.digest and manifest.images == 3
    first = before["images"].to_list()[0][0]
    expected = corrupt(store.objects[layout.dataset_media(base.digest, first)], blur)
    name = after["images"].to_list()[0][0]
    assert store.objects[layout.dataset_media(ref.digest, name)] == expected
    store.written.clear()
    assert await corrupted_dataset(base.digest, blur, Filter(), None, store) == ref
    assert store.written == [], "made once"


async def test_only_what_a_task_uses_is_made(tmp_path: Path, store) -> None:
    base = await pin_dataset(str(write_data(tmp_path / "d")), None, store)
    ref = await corrupted_dataset(base.digest, Corruption(kind="gray"), Filter(doc_class=("even",)), 1, store)
    assert frame(store, ref.digest)["id"].to_list() == ["0"] and (await load_manifest(ref.digest, store)).images == 1


async def test_storage_that_fails_and_images_that_are_gone(tmp_path: Path, store) -> None:
    base = await pin_dataset(str(write_data(tmp_path / "d")), None, store)
    store.fail_on = "samples.parquet"
    with pytest.raises(Unavailable):
        await corrupted_dataset(base.digest, Corruption(kind="gray"), Filter(), None, store)
    store.fail_on = None
    assert (await corrupted_dataset(base.digest, Corruption(kind="gray"), Filter(), None, store)).samples == 6
    media = next(key for key in store.objects if key.startswith(layout.dataset_media(base.digest, "")))
    store.objects[media] = b"junk"
    with pytest.raises(UserError, match="expected an image that can be changed"):
        await corrupted_dataset(base.digest, Corruption(kind="jpeg"), Filter(), None, store)


async def test_a_cancelled_derivation_ends(tmp_path: Path, store) -> None:
    base = await pin_dataset(str(write_data(tmp_path / "d", images=30)), None, store)
    task = asyncio.create_task(corrupted_dataset(base.digest, Corruption(kind="noise"), Filter(), None, store))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)


async def test_a_job_has_a_run_for_each_variant(tmp_path: Path, store) -> None:
    write_data(tmp_path / "d")
    spec = JobSpec.model_validate(
        {
            "name": "j",
            "models": ["echo"],
            "tasks": [
                {
                    "name": "read", "dataset": "d", "prompt": "Read.",
                    "corruptions": [{"kind": "blur", "severity": [1, 5]}],
                },
                {"name": "plain", "dataset": "d", "prompt": "Read."},
            ],
        }
    )  # fmt: skip
    registry = Registry.load()
    bundled = await bundle_job(LoadedJob(spec=spec, base_dir=tmp_path), store, registry)
    assert [task.name for task in bundled.tasks] == ["read", "read~blur-1", "read~blur-5", "plain"]
    assert await bundle_job(LoadedJob(spec=bundled, base_dir=None), store, registry) == bundled, "twice changes nothing"
    runs = await expand_job(bundled, "j-1", store)
    assert [run.name for run in runs] == ["echo__read", "echo__read~blur-1", "echo__read~blur-5", "echo__plain"]
    assert len({run.dataset.digest for run in runs}) == 3 and {run.samples for run in runs} == {6}
    variant = runs[2].task.variant
    assert variant is not None and (variant.of, variant.corruption.severity) == ("read", 5)


async def test_exact_runs_have_variants_too(tmp_path: Path, store) -> None:
    write_data(tmp_path / "d")
    task = {"name": "read", "dataset": "d", "prompt": "Read.", "corruptions": ["gray"]}
    spec = JobSpec.model_validate(
        {
            "name": "j",
            "models": ["echo"],
            "tasks": [task],
            "runs": [
                {"model": "echo", "task": "read", "name": "mine"},
                {"model": "other", "task": "read", "answers": "run:x-0"},
            ],
        }
    )
    bundled = await bundle_job(LoadedJob(spec=spec, base_dir=tmp_path), store, Registry.load())
    assert [(run.task, run.name) for run in bundled.runs] == [
        ("read", "mine"), ("read~gray-3", "mine~gray-3"), ("read", None),
    ]  # fmt: skip
