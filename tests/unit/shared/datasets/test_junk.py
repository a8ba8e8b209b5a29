"""Whatever bytes a file holds: rows, or a sentence; never another exception."""

import csv
import io
import json
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vhb_shared.datasets.answers_import import _convert
from vhb_shared.datasets.base import BadRow, Sample
from vhb_shared.datasets.csv_file import CsvReader
from vhb_shared.datasets.folder import FolderReader
from vhb_shared.datasets.hub_layout import choose_files
from vhb_shared.datasets.jsonl import JsonlReader
from vhb_shared.datasets.omnidocbench import OmniDocBenchReader
from vhb_shared.datasets.parquet import ParquetReader
from vhb_shared.datasets.pdf import PdfReader
from vhb_shared.datasets.prompt_files import read_prompts
from vhb_shared.datasets.registry import locate
from vhb_shared.datasets.scan import scan
from vhb_shared.datasets.tsv import TsvReader
from vhb_shared.datasets.user_config import read_user_config
from vhb_shared.errors import UserError

NAMES = (
    "annotation.csv", "d.csv", "d.tsv", "d.jsonl", "d.json", "d.yaml", "d.txt", "d.parquet", "d.pdf",
    "OmniDocBench.json", "README.md",
)  # fmt: skip
HEADERS = (
    b"",
    b"image_path;question\n",
    b"index\timage\tquestion\n",
    b"id;model_answer\n",
    b"prompt;doc_class_question_type\n",
    b"dataset;model_name;metrics\n",
    b'{"image": "a.png", ',
    b"PAR1",
    b"%PDF-1.7\n",
    b'[{"page_info": {"image_path": "a.png"}, "layout_dets": [',
    b"---\nconfigs:\n- config_name: ",
)
PIECES = st.lists(
    st.one_of(st.binary(max_size=20), st.sampled_from([b";", b'"', b"\n", b"\r", b"\t", b"\0", b"a.png", b"[", b"{"]))
).map(b"".join)


def _folder(folder: Path) -> None:
    rows = list(FolderReader().read("d", folder))
    assert all(isinstance(row, Sample | BadRow) for row in rows)


def _tsv(folder: Path) -> None:
    list(TsvReader().read("d", folder / "d.tsv"))


def _jsonl(folder: Path) -> None:
    list(JsonlReader().read("d", folder / "d.jsonl"))


def _csv(folder: Path) -> None:
    list(CsvReader().read("d", folder / "d.csv"))


def _parquet(folder: Path) -> None:
    list(ParquetReader().read("d", folder / "d.parquet"))


def _pdf(folder: Path) -> None:
    list(PdfReader().read("d", folder / "d.pdf"))


def _omnidocbench(folder: Path) -> None:
    list(OmniDocBenchReader().read("d", folder))


def _hub_card(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    choose_files(["a/test.parquet"], card, "d", None, None)


def _prompts(folder: Path) -> None:
    for name in ("d.csv", "d.json", "d.yaml", "d.txt"):
        try:
            read_prompts(folder / name)
        except UserError:
            continue


def _answers(folder: Path) -> None:
    (folder / "work").mkdir(exist_ok=True)
    for name in ("d.csv", "d.parquet"):
        try:
            _convert(folder / name, folder / "work")
        except UserError:
            continue


def _config(folder: Path) -> None:
    read_user_config(folder / "d.csv")


@pytest.mark.parametrize(
    "read",
    [
        _folder,
        _tsv,
        _jsonl,
        _csv,
        _parquet,
        _pdf,
        _omnidocbench,
        _hub_card,
        _prompts,
        _answers,
        _config,
    ],
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.sampled_from(HEADERS), rest=PIECES)
def test_junk_is_a_sentence(tmp_path: Path, read: Callable[[Path], None], header: bytes, rest: bytes) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(header + rest)
    try:
        read(tmp_path)
    except UserError as error:
        assert str(error)


PAGES = st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=20)


# A process is started for each.
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=PAGES)
def test_a_parquet_file_with_other_bytes_in_it_is_rows_or_a_sentence(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    rows = [{"id": str(n), "image": {"bytes": bytes(50), "path": f"{n}.png"}, "question": "q" * n} for n in range(30)]
    buffer = io.BytesIO()
    pl.DataFrame(rows).write_parquet(buffer, row_group_size=10)
    data = bytearray(buffer.getvalue())
    for place, value in changes:
        data[place % len(data)] = value
    (tmp_path / "d.parquet").write_bytes(data)
    try:
        _parquet(tmp_path)
    except UserError as error:
        assert str(error)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
ROWS = st.lists(
    st.tuples(st.sampled_from(["a.png", "gone.png", "junk.png", "../x.png"]), TEXTS, TEXTS), min_size=1, max_size=25
)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "folder"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_what_comes_in_goes_out_or_is_counted(tmp_path: Path, kind: str, rows: list[tuple[str, str, str]]) -> None:
    Image.new("RGB", (3, 3)).save(tmp_path / "a.png")
    (tmp_path / "junk.png").write_bytes(b"junk")
    records = [{"image_path": name, "question": question, "answer": answer} for name, question, answer in rows]
    path = {"folder": tmp_path, "csv": tmp_path / "c.csv"}.get(kind, tmp_path / f"r.{kind}")
    if kind in ("folder", "csv"):
        with (tmp_path / "annotation.csv" if kind == "folder" else path).open(
            "w", encoding="utf-8", newline=""
        ) as file:
            writer = csv.DictWriter(file, ["image_path", "question", "answer"], delimiter=";")
            writer.writeheader()
            writer.writerows(records)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    else:
        pl.DataFrame(records).write_parquet(path)
    work = Path(tempfile.mkdtemp(dir=tmp_path.parent))
    found = scan(locate(str(path), None).rows(), work, stop=threading.Event())
    good = [(n, row) for n, row in enumerate(rows) if row[0] == "a.png"]
    assert (found.samples, found.samples + found.bad.total) == (len(good), len(rows))
    read = [json.loads(line) for line in found.records.read_bytes().splitlines()]
    assert [(row["index"], row["question"] or "", row["references"]) for row in read] == [
        (n, question, [answer]) for n, (_, question, answer) in good
    ]
