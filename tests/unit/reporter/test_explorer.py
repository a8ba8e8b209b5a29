"""The data beside samples.html: every sample and every answer once, whatever is missing, plain data only."""

import io
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from vhb_reporter.explorer import data
from vhb_reporter.explorer.images import Previews
from vhb_shared.access.storage import allowed
from vhb_shared.contracts.job import JobSpec, ReportOptions, TaskEntry
from vhb_shared.datasets.selection import run_samples
from vhb_shared.store import layout

from .test_hostile import HOSTILE, parsed

GOOD = [f"Total {index}.00 EUR" for index in range(8)]


async def files_of(world: Any) -> dict[str, Any]:
    """Name -> what the file hands over; each is one call of plain JSON."""
    found = {}
    async for item in world.store.list("jobs/job1/samples/"):
        assert allowed("reporter", "write", item.key)
        name = item.key.removeprefix("jobs/job1/samples/")
        if name.endswith(".js"):
            text = (await world.store.get(item.key)).decode()
            called = re.fullmatch(r'vhbSamples\("([a-z0-9-]+)",(.*)\);\n', text, re.S)
            assert called and f"{called[1]}.js" == name
            found[called[1]] = json.loads(called[2])
    return found


def about(page: str) -> dict[str, Any]:
    content = re.search(r'<script type="application/json" id="about">(.*?)</script>', page)
    assert content
    return json.loads(content[1])


async def two_models(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), ["Tota1 0.00 EUR", *GOOD[1:7], None], [0.07, *[0.0] * 6, None])
    await world.answer(world.plan_run("large"), GOOD, [0.0] * 7 + [0.5])


async def test_columns_and_chunks_of_two_models(world: Any) -> None:
    await two_models(world)
    page = (await world.job())["samples.html"]
    files = await files_of(world)
    assert files["t0-ids"] == [str(number) for number in range(8)]
    assert files["t0-index"] == list(range(8))
    assert files["t0-classes"] == files["t0-types"] == [0, 1] * 4
    assert files["r0-outcomes"] == [0] * 7 + [4] and files["r1-outcomes"] == [0] * 8
    assert files["r0-values0"] == [0.07, *[0.0] * 6, None]
    # One value is no difference.
    assert files["t0-spread0"] == [0.07, *[0.0] * 6, None]
    assert files["t0-0"]["references"][3] == ["Total 3.00 EUR"]
    assert files["r0-0"]["texts"] == ["Tota1 0.00 EUR", *GOOD[1:7], None]
    assert files["r0-0"]["errors"][7] == "the server answered 500"
    (comparison,) = about(page)["comparisons"]
    assert [(run["place"], run["label"]) for run in comparison["runs"]] == [(0, "small"), (1, "large")]
    assert comparison["metrics"] == [{"label": "cer", "arrow": "\u2193"}]
    assert comparison["classes"] == ["receipt", "letter"] and comparison["types"] == ["clean", "blurred"]


async def test_chunks_and_windows_meet_without_a_gap(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CHUNK", 3)
    monkeypatch.setattr(data, "WINDOW", 6)
    await world.dataset(16, images=False)
    answers = [f"answer {number}" for number in range(16)]
    await world.answer(world.plan_run("small"), answers, [number / 16 for number in range(16)])
    await world.job()
    files = await files_of(world)
    chunks = [files[f"r0-{number}"] for number in range(6)]
    assert [len(chunk["texts"]) for chunk in chunks] == [3, 3, 3, 3, 3, 1]
    assert [text for chunk in chunks for text in chunk["texts"]] == answers
    assert files["r0-values0"] == [number / 16 for number in range(16)]
    assert [text for n in range(6) for (text,) in files[f"t0-{n}"]["references"]] == [
        f"Total {number}.00 EUR" for number in range(16)
    ]


async def test_answers_are_joined_by_id_in_any_order(world: Any) -> None:
    await two_models(world)
    for name in ("answers.parquet", "scores.parquet"):
        key = layout.run_file("run1", name)
        frame = pl.read_parquet(await world.store.get(key))
        await world.put_parquet(key, frame.reverse())
    await world.job()
    files = await files_of(world)
    ids = files["t0-ids"]
    assert [files["r1-0"]["texts"][ids.index(str(number))] for number in range(8)] == GOOD
    assert files["r1-values0"][ids.index("7")] == 0.5


async def test_samples_asked_several_times_have_a_row_each(world: Any) -> None:
    await world.dataset(2, images=False)
    run = world.plan_run("small", TaskEntry(name="read", dataset="./pages", metrics=("cer",), epochs=2), samples=4)
    await world.answer(run, ["x", "y"], [0.1, 0.2])
    samples = world.store.local_path(layout.dataset_samples(world.digest))
    asked = run_samples(samples, run).select("index", "id", "sample").collect()
    for name in ("answers.parquet", "scores.parquet"):
        key = layout.run_file(run.run_id, name)
        frame = pl.read_parquet(await world.store.get(key)).drop("index").rename({"id": "sample"})
        own = frame.drop(name for name in ("id",) if name in frame.columns)
        await world.put_parquet(key, asked.join(own, on="sample", maintain_order="left"))
    await world.job()
    files = await files_of(world)
    assert files["t0-ids"] == ["0", "0~e2", "1", "1~e2"] and len(set(files["t0-index"])) == 4
    assert files["r0-0"]["texts"] == ["x", "x", "y", "y"] and files["r0-values0"] == [0.1, 0.1, 0.2, 0.2]
    assert files["t0-0"]["references"] == [["Total 0.00 EUR"]] * 2 + [["Total 1.00 EUR"]] * 2


async def test_a_run_without_answers_is_left_out_and_one_cut_short_has_gaps(world: Any) -> None:
    await two_models(world)
    key = layout.run_file("run0", "answers.parquet")
    await world.put_parquet(key, pl.read_parquet(await world.store.get(key)).head(3))
    world.plan_run("never")
    page = (await world.job())["samples.html"]
    files = await files_of(world)
    assert [run["label"] for run in about(page)["comparisons"][0]["runs"]] == ["small", "large"]
    assert files["r0-outcomes"] == [0, 0, 0, -1, -1, -1, -1, -1] and "r2-outcomes" not in files


async def test_without_scores_or_data_set_there_are_still_answers(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD)
    await world.store.delete(layout.dataset_samples(world.digest))
    page = (await world.job())["samples.html"]
    files = await files_of(world)
    assert about(page)["comparisons"][0]["metrics"] == [] and "r0-values0" not in files
    assert files["r0-0"]["texts"] == GOOD and files["t0-classes"] == [-1] * 8


async def test_many_classes_are_named_up_to_a_number(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_NAMES", 3)
    await world.dataset()
    for number, sample in enumerate(world.samples):
        sample["doc_class"] = f"class {number}" if number else None
    await world.save_samples()
    await world.answer(world.plan_run("small"), GOOD, [0.0] * 8)
    page = (await world.job())["samples.html"]
    assert (await files_of(world))["t0-classes"] == [-1, 0, 1, 2, -2, -2, -2, -2]
    (comparison,) = about(page)["comparisons"]
    assert comparison["classes"] == ["class 1", "class 2", "class 3"] and comparison["moreClasses"]


async def test_previews_of_the_worst_samples_come_first(world: Any) -> None:
    await two_models(world)
    spec = JobSpec(name="pages", report=ReportOptions(images=2))
    page = (await world.job(spec=spec))["samples.html"]
    keys = [item.key async for item in world.store.list("jobs/job1/samples/images/")]
    # Both runs' worst, 0 and 7, before 2, which comes earlier in the data; 6 shares its image with 7.
    first, last = (Path(world.samples[number]["images"][0]).stem for number in (0, 7))
    assert set(keys) == {layout.job_samples("job1", f"images/{stem}.jpg") for stem in (first, last)}
    with Image.open(io.BytesIO(await world.store.get(keys[0]))) as image:
        assert image.format == "JPEG" and max(image.size) <= 1600
    shown = (await files_of(world))["t0-0"]["images"]
    assert shown[7] == shown[6] == [f"{last}.jpg"] and shown[2] == [""]
    assert "samples/images/" not in page.split('id="about"')[0]


async def test_data_sets_that_share_an_image_share_its_preview(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.dataset(2)
    await world.answer(world.plan_run("small"), GOOD[:2], [0.1, 0.2])
    world.digest = "e" * 64
    world.samples.clear()
    await world.dataset(2)
    await world.answer(world.plan_run("small", "again"), GOOD[:2], [0.1, 0.2])
    written: list[str] = []
    put_file = world.store.put_file

    async def put(key: str, path: Path) -> None:
        written.append(key)
        await put_file(key, path)

    monkeypatch.setattr(world.store, "put_file", put)
    await world.job()
    previews = [key for key in written if "/images/" in key]
    assert previews and len(previews) == len(set(previews)), "two at once would remove each other's file"


def test_a_preview_stays_in_its_folder_whatever_the_image_is_called() -> None:
    previews = Previews(10, [])
    names = ["../../evil.png", "a/b.png", "a" * 64 + ".png"]
    assert previews.take("d", names) == ["evil.jpg", "b.jpg", "a" * 64 + ".jpg"]
    assert previews.take("d", ["..", "", "\u0430.png"]) == ["", "", ""]


async def test_hostile_texts_are_data_and_the_page_has_none_of_them(world: Any) -> None:
    await world.dataset(len(HOSTILE))
    for sample, evil in zip(world.samples, HOSTILE, strict=True):
        sample |= {"id": evil, "question": evil, "references": [evil], "doc_class": evil, "question_type": evil}
    await world.save_samples()
    evil = '"><img src=x onerror=alert(1)><script>alert(1)<script>'
    run = world.plan_run("small", TaskEntry(name=evil, dataset="x", metrics=("cer",)), name="</script><b>")
    await world.answer(run, HOSTILE, [1.0] * len(HOSTILE))
    page = (await world.job("</title><script>alert(2)</script>"))["samples.html"]
    parser = parsed(page)
    scripts = [attributes for tag, attributes in parser.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "about"}, {}]
    assert not any(name.startswith("on") for _, attributes in parser.tags for name in attributes)
    assert {a["src"] for t, a in parser.tags if "src" in a} == set()
    (policy,) = [a["content"] for t, a in parser.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    files = await files_of(world)
    assert files["t0-ids"] == HOSTILE and files["r0-0"]["texts"] == HOSTILE
    assert about(page)["comparisons"][0]["classes"][0] == HOSTILE[0]


async def test_a_huge_answer_is_cut(world: Any) -> None:
    await world.dataset(2)
    await world.answer(world.plan_run("small"), ["A" * 5_000_000, "\u0416" * 2_000_000], [1.0, 1.0])
    await world.job()
    files = await files_of(world)
    assert [len(text) for text in files["r0-0"]["texts"]] == [data.TEXT_LIMIT] * 2
    assert files["r0-0"]["lengths"] == [5_000_000, 2_000_000]


async def test_the_report_links_to_it(world: Any) -> None:
    await two_models(world)
    page = (await world.job())["report.html"]
    assert 'href="samples.html"' in page
    # Its worst sample, where the explorer opens it.
    assert 'href="samples.html#t0-i7"' in page
