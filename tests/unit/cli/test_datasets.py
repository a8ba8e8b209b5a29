"""`vhb datasets push|inspect|preview` as a user calls them, in processes of their own."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from vhb.inspection import Shown
from vhb.picture_sheet import _box, write_sheet
from vhb_shared.datasets.base import BadRow, Origin, Sample
from vhb_shared.testing.damaged import ABORTS_ITS_READER


def vhb(folder: Path, *arguments: str, code: int = 0, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VHB_")}
    done = subprocess.run(
        [sys.executable, "-m", "vhb", *arguments],
        cwd=folder,
        env=kept | {"XDG_CACHE_HOME": str(folder / "cache")} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set with two classes, boxes, another column and (when asked for with --skip) no bad row."""
    data = tmp_path / "data"
    data.mkdir()
    for number in range(3):
        Image.new("RGB", (40 + number, 20), (number, 0, 0)).save(data / f"{number}.png")
    with (data / "annotation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["image_path", "question", "answer", "doc_class", "answer_bbox", "note"])
        writer.writerow(["0.png", "<script>alert(1)</script>", "a & b", "invoice", "[4, 2, 20, 10]", "x" * 900])
        writer.writerow(["1.png", "q", "", "invoice", "", ""])
        writer.writerow(["2.png", "q", "c", "receipt", "", ""])
    return tmp_path


def test_inspect_counts(folder: Path) -> None:
    found = json.loads(vhb(folder, "datasets", "inspect", "data", "--json").stdout)
    assert (found["samples"], found["bad_rows"], found["images"], found["documents"]) == (3, 0, 3, 3)
    assert found["values"]["doc_class"] == {"invoice": 2, "receipt": 1}
    assert found["filled"]["references"] == 3 and found["filled"]["answer_bbox"] == 1
    assert found["fields"] == {"note": 1}
    assert (found["sizes"]["smallest"], found["sizes"]["largest"]) == ([40, 20], [42, 20])
    assert found["sizes"]["formats"] == {"png": 3}
    shown = vhb(folder, "datasets", "inspect", "data").stdout
    assert f"sha256:{found['digest']}" in shown and "40 x 20 to 42 x 20 pixels" in shown
    assert re.search(r"invoice +2", shown) and re.search(r"fields: note +1", shown)


def test_inspect_says_what_is_bad(folder: Path) -> None:
    (folder / "data/1.png").write_bytes(b"junk")
    done = vhb(folder, "datasets", "inspect", "data", code=1)
    assert "annotation.csv, line 3, column image_path: expected an image" in done.stdout
    assert "no such file or folder" in vhb(folder, "datasets", "inspect", "nowhere", code=2).stderr


def test_push_stores_and_what_is_stored_is_looked_at(folder: Path) -> None:
    store = {"VHB_STORE_DIR": str(folder / "store")}
    ref = vhb(folder, "datasets", "push", "data", **store).stdout.strip()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", ref)
    direct = json.loads(vhb(folder, "datasets", "inspect", "data", "--json").stdout)
    stored = json.loads(vhb(folder, "datasets", "inspect", ref, "--json", **store).stdout)
    assert stored == direct and ref == f"sha256:{direct['digest']}"
    vhb(folder, "datasets", "preview", ref, "--out", "stored.html", **store)
    assert (folder / "stored.html").read_text().count("<article>") == 3
    assert "is not in storage" in vhb(folder, "datasets", "inspect", f"sha256:{'0' * 64}", code=2, **store).stderr
    assert "vhb up" in vhb(folder, "datasets", "push", "data", code=3).stderr
    (folder / "data/1.png").write_bytes(b"junk")
    assert "line 3" in vhb(folder, "datasets", "push", "data", code=2, **store).stderr
    assert vhb(folder, "datasets", "push", "data", "--skip-bad-rows", **store).stdout.strip() != ref


def test_preview_is_one_file_that_runs_nothing(folder: Path) -> None:
    entry = folder / "registry/datasets/mine.yaml"
    entry.parent.mkdir(parents=True)
    entry.write_text("name: mine\nsource: ../../data\nbox_format: xyxy\n")
    assert vhb(folder, "datasets", "preview", "mine", "--beside", ".", "--out", "p.html").stdout.strip() == "p.html"
    html = (folder / "p.html").read_text()
    assert html.count("<article>") == 3 and html.count("data:image/jpeg;base64,") == 3
    assert "<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html and "a &amp; b" in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert 'class="box" style="left:10.0%;top:10.0%;width:40.0%;height:40.0%"' in html
    assert "(300 more)" in html, "long texts are cut, and it is said"
    vhb(folder, "datasets", "preview", "data", "--out", "p.html", "--limit", "1")
    assert (folder / "p.html").read_text().count("<article>") == 1
    assert "there is no folder" in vhb(folder, "datasets", "preview", "data", "--out", "no/p.html", code=2).stderr


def test_a_sheet_of_junk(tmp_path: Path) -> None:
    image = tmp_path / "i.png"
    Image.new("1", (5, 5)).save(image)
    texts = ["\x00<img src=x onerror=alert(1)>", "\ud800", "{{ 7 * 7 }}", "x" * 100_000]
    rows: list[Shown | BadRow] = [
        Shown(
            Sample(n, text, Origin("f"), question=text, references=(text,) * 20, choices=(text,), doc_class=text),
            (("<b>", image),) * 9,
        )
        for n, text in enumerate(texts)
    ]
    rows.append(BadRow("f", 3, "<c>", "expected <i>"))
    write_sheet(tmp_path / "s.html", "<title>", rows, None)
    html = (tmp_path / "s.html").read_text()
    assert "<img src=x" not in html and "49" not in re.sub(r"base64,[^\"]*", "", html) and "<i>" not in html
    assert "and 3 more pages" in html and "and 12 more" in html
    assert len(html) < 300_000


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("[10, 20, 60, 70]", "xyxy", (10, 20, 50, 50)),
        ("10,20,50,50", "xywh", (10, 20, 50, 50)),
        ("[20, 10, 70, 60]", "yxyx", (10, 20, 50, 50)),
        ("35 45 50 50", "cxcywh", (10, 20, 50, 50)),
        ("[0.1, 0.2, 0.6, 0.7]", "xyxy", (10, 20, 50, 50)),
        ("[10, 20, 60, 70]", None, None),
        ("[10, 20, 60]", "xyxy", None),
        ("[10, 20, 600, 70]", "xyxy", None),
        ("[60, 20, 10, 70]", "xyxy", None),
    ],
)
def test_boxes(text: str, kind: str | None, expected: tuple[float, ...] | None) -> None:
    found = _box(text, kind, (100, 100))
    assert found is None if expected is None else found == pytest.approx(expected)


def test_a_file_that_aborts_its_reader_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "d.parquet").write_bytes(ABORTS_ITS_READER)
    said = vhb(tmp_path, "datasets", "inspect", "d.parquet", code=2).stderr
    assert re.search(r"d\.parquet: .*damaged", said.replace("\n", " ")), said
