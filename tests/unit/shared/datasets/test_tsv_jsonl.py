"""VLMEvalKit's TSV and JSON Lines, through pinning."""

import base64
import csv
import hashlib
import io
import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from vhb_shared.contracts.job import TaskEntry
from vhb_shared.datasets.embedded import text_list
from vhb_shared.datasets.pin import pin_dataset
from vhb_shared.datasets.prompts import render_prompt
from vhb_shared.datasets.registry import reader_names
from vhb_shared.errors import UserError
from vhb_shared.store import layout


def png(number: int, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (number, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}.png"


def write_tsv(path: Path, header: list[str], *rows: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([header, *rows])
    return path


def write_jsonl(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


async def pinned(path: Path, store, **options) -> list[dict]:
    ref = await pin_dataset(path.name, path.parent, store, **options)
    assert ref.name == path.name
    for key in store.objects:
        if "/media/" in key:
            assert hashlib.sha256(store.objects[key]).hexdigest() == key.rsplit("/", 1)[-1].partition(".")[0]
    return pl.read_parquet(io.BytesIO(store.objects[layout.dataset_samples(ref.digest)])).to_dicts()


async def problems(path: Path, store) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        await pin_dataset(path.name, path.parent, store)
    return caught.value.problems


def test_the_readers_are_listed() -> None:
    assert {"folder", "jsonl", "tsv"} <= set(reader_names())


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("['a', \"it's\"]", ["a", "it's"]),
        (json.dumps(["\U0001f600", "é", 1.5]), ["\U0001f600", "é", "1.5"]),
        (repr(["\U0001f600", "\x1b", "a\nb"]), ["\U0001f600", "\x1b", "a\nb"]),
        ("[true, null]", None),
        ("[1, 2", None),
        ("[]", []),
    ],
)
def test_lists_in_cells_are_read_as_json_and_as_python_write_them(cell: str, items: list[str] | None) -> None:
    assert text_list(cell) == items


async def test_tsv_with_embedded_shared_and_several_images(tmp_path: Path, store) -> None:
    one, two = png(1), png(2)
    path = write_tsv(
        tmp_path / "bench.tsv",
        ["index", "image", "question", "answer", "category", "l2-category", "split"],
        ["10", "12", "Что это?", "ответ", "снилс", "номер", "val"],
        ["11", b64(one), "two\nlines", "['a', 'b']", "", "", ""],
        ["12", b64(two), "", "", "", "", ""],
        ["13", str([b64(one), b64(two)]), "q", "[1, 2", "", "", ""],
    )
    rows = await pinned(path, store)
    assert [row["id"] for row in rows] == ["10", "11", "12", "13"]
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert [row["images"] for row in rows] == [[name(two)], [name(one)], [name(two)], [name(one), name(two)]]
    assert [row["references"] for row in rows] == [["ответ"], ["a", "b"], [""], ["[1, 2"]]
    assert (rows[0]["doc_class"], rows[0]["question_type"], rows[0]["split"]) == ("снилс", "номер", "val")
    assert len([key for key in store.objects if "/media/" in key]) == 2


async def test_tsv_options_are_choices_and_asked_below_the_question(tmp_path: Path, store) -> None:
    header = ["index", "image", "hint", "question", "A", "B", "C", "answer"]
    path = write_tsv(tmp_path / "mcq.tsv", header, ["0", b64(png(1)), "Look.", "Which?", "кот", "пёс", "", "A"])
    (row,) = await pinned(path, store)
    assert row["question"] == "Hint: Look.\nWhich?" and row["choices"] == ["кот", "пёс"]
    assert row["references"] == ["A"] and row["fields"] is None
    _, asked = render_prompt(TaskEntry(name="t"), row)
    assert asked == "Hint: Look.\nWhich?\nA. кот\nB. пёс"
    _, asked = render_prompt(TaskEntry(name="t", prompt="{{ question }}\nAnswer with a letter."), row)
    assert asked == "Hint: Look.\nWhich?\nA. кот\nB. пёс\nAnswer with a letter."


async def test_tsv_with_paths(tmp_path: Path, store) -> None:
    folder = tmp_path / "images" / "bench"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(png(1))
    (tmp_path / "b.png").write_bytes(png(2))
    path = write_tsv(
        tmp_path / "bench.tsv",
        ["index", "image_path", "question"],
        ["0", "a.png", "q"],
        ["1", "['a.png', 'b.png']", "q"],
    )
    rows = await pinned(path, store)
    assert [row["images"] for row in rows] == [[name(png(1))], [name(png(1)), name(png(2))]]
    assert rows[0]["references"] == []


async def test_tsv_long_lines(tmp_path: Path, store) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((700, 700), 90).save(buffer, format="PNG")
    assert len(buffer.getvalue()) > 200_000
    path = write_tsv(tmp_path / "big.tsv", ["index", "image", "question"], ["0", b64(buffer.getvalue()), "q"])
    assert (await pinned(path, store))[0]["images"] == [name(buffer.getvalue())]


async def test_tsv_bad_rows(tmp_path: Path, store) -> None:
    path = write_tsv(
        tmp_path / "bad.tsv",
        ["index", "image", "image_path", "question"],
        ["0", "99", "", "no such row"],
        ["1", "*" * 100, "", "no base64"],
        ["2", b64(b"not an image" * 10), "", ""],
        ["3", "", "../x.png", ""],
        ["4", "", "", ""],
        ["", b64(png(1)), "", ""],
        ["5", b64(png(1)), "", "good"],
        ["5", b64(png(1)), "", "twice"],
    )
    said = await problems(path, store)
    assert [sentence.split(":")[0] for sentence in said] == [
        "bad.tsv, line 2, column image",
        "bad.tsv, line 3, column image",
        "bad.tsv, line 4, column image",
        "bad.tsv, line 5, column image_path",
        "bad.tsv, line 6, column image_path",
        "bad.tsv, line 7, column index",
        "bad.tsv, line 9, column id",
    ]
    assert "in base64" in said[1] and "is none or is damaged" in said[2] and "leaves it" in said[3]
    rows = await pinned(path, store, skip_bad_rows=True)
    assert [(row["index"], row["id"]) for row in rows] == [(6, "5")]


async def test_tsv_without_images_and_with_junk(tmp_path: Path, store) -> None:
    path = write_tsv(tmp_path / "a.tsv", ["index", "question"], ["0", "q"])
    assert 'no such column "image" or "image_path"; found: index, question' in (await problems(path, store))[0]
    (tmp_path / "b.tsv").write_bytes(bytes(range(256)) * 20)
    assert "not a text table" in (await problems(tmp_path / "b.tsv", store))[0]


async def test_jsonl(tmp_path: Path, store) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    path = write_jsonl(
        tmp_path / "d.jsonl",
        {"image": "a.png", "question": "Номер?", "answer": "5", "doc_class": "снилс", "answer_bbox": [1, 2, 3, 4]},
        "",
        {"id": "x7", "images": ["a.png", f"data:image/png;base64,{b64(png(2))}"], "answers": ["a", ""], "split": "val"},
        {"id": 8, "image_path": "a.png", "answer": 796},
    )
    rows = await pinned(path, store)
    assert [row["id"] for row in rows] == ["0", "x7", "8"]
    assert [row["references"] for row in rows] == [["5"], ["a", ""], ["796"]]
    assert rows[1]["images"] == [name(png(1)), name(png(2))]
    assert rows[0]["answer_bbox"] == "[1, 2, 3, 4]" and rows[0]["doc_class"] == "снилс"
    assert rows[2]["question"] is None


async def test_jsonl_bad_rows(tmp_path: Path, store) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    path = write_jsonl(
        tmp_path / "d.jsonl",
        '{"image": "a.png"',
        "[1]",
        {"question": "q"},
        {"image": "../b.png"},
        {"image": 5},
        {"image": "data:image/png;base64,@@"},
        {"image": "a.png", "question": "\ud800"},
        "[" * 100_000,
        {"image": "none.png"},
        {"image": "a.png"},
    )
    said = await problems(path, store)
    assert [sentence.split(":")[0] for sentence in said] == [
        "d.jsonl, line 1",
        "d.jsonl, line 2",
        "d.jsonl, line 3",
        "d.jsonl, line 4, column image",
        "d.jsonl, line 5, column image",
        "d.jsonl, line 6, column image",
        "d.jsonl, line 7",
        "d.jsonl, line 8",
        "d.jsonl, line 9, column image",
    ]
    assert [row["id"] for row in await pinned(path, store, skip_bad_rows=True)] == ["9"]
