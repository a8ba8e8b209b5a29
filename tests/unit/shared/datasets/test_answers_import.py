"""Answers of other tools: read losslessly, an error text never taken for an answer."""

import io
from pathlib import Path

import polars as pl
import pytest

from vhb_shared.contracts.results import ANSWERS_CSV_COLUMNS
from vhb_shared.datasets.answers_import import IMPORT_SCHEMA, import_answers
from vhb_shared.errors import UserError
from vhb_shared.store import layout


async def imported(path: Path, store) -> pl.DataFrame:
    key = await import_answers(path, store)
    assert key.startswith("imports/") and key in store.objects
    frame = pl.read_parquet(io.BytesIO(store.objects[key]))
    assert frame.schema == pl.Schema(IMPORT_SCHEMA)
    return frame


def columns(frame: pl.DataFrame) -> list[tuple]:
    return frame.select("id", "model_answer", "outcome", "error").rows()


async def test_file_of_the_earlier_tool(tmp_path: Path, store) -> None:
    path = tmp_path / "answers.csv"
    path.write_text('id;model_answer\n0;4505 679944\n10;"две\nстроки"\n2;\n', encoding="utf-8-sig")
    assert columns(await imported(path, store)) == [
        ("0", "4505 679944", "answered", None),
        ("10", "две\nстроки", "answered", None),
        ("2", "", "empty", None),
    ]


async def test_our_own_answers_in_both_dialects_are_the_same_content(tmp_path: Path, store) -> None:
    rows = [
        {"id": "0", "model_answer": "a;b,c", "outcome": "truncated", "latency_ms": 12.5, "attempts": 2},
        {"id": "1", "model_answer": None, "outcome": "failed", "error": "timed out", "attempts": 5},
    ]
    frame = pl.DataFrame(rows, schema=IMPORT_SCHEMA)
    frame.write_csv(tmp_path / "answers.csv")
    frame.write_csv(tmp_path / "legacy.csv", separator=";", include_bom=True)
    frame.with_columns(pl.lit(3).alias("index")).write_parquet(tmp_path / "answers.parquet")
    keys = {await import_answers(tmp_path / name, store) for name in ("answers.csv", "legacy.csv", "answers.parquet")}
    assert len(keys) == 1
    back = await imported(tmp_path / "answers.csv", store)
    assert back.equals(frame)
    assert tuple(back.columns) == ANSWERS_CSV_COLUMNS


async def test_vlmevalkit(tmp_path: Path, store) -> None:
    path = tmp_path / "model_DocVQA_VAL.tsv"
    path.write_text(
        "index\tquestion\tanswer\tprediction\n17\tq\t['x']\tyes\n4\tq\ty\tFailed to obtain answer via API.\n",
        encoding="utf-8",
    )
    assert columns(await imported(path, store)) == [
        ("17", "yes", "answered", None),
        ("4", None, "failed", "Failed to obtain answer via API."),
    ]


async def test_an_error_without_an_answer_is_a_failure(tmp_path: Path, store) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,model_answer,error\n0,,out of memory\n", encoding="utf-8")
    assert columns(await imported(path, store)) == [("0", None, "failed", "out of memory")]


async def test_an_id_twice_names_both_lines(tmp_path: Path, store) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id;model_answer\n0;"two\nlines"\n1;a\n0;b\n', encoding="utf-8")
    with pytest.raises(UserError, match=r'line 5, column id: expected each id once, "0" is in line 2 already'):
        await import_answers(path, store)
    assert store.objects == {}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "id;answer\n0;x\n", 'no such column "model_answer"; found: id, answer'),
        ("a.csv", "id;model_answer\n", "no answers below the header"),
        ("a.csv", "id;model_answer\n;x\n", "line 2, column id"),
        ("a.csv", "id;model_answer\n0;x;y\n", "line 2: expected 2 cells, found 3"),
        ("a.csv", "id,model_answer,outcome\n0,x,fine\n", 'line 2, column outcome: expected one of answered.*"fine"'),
        ("a.csv", "id,model_answer,latency_ms\n0,x,slow\n", 'line 2, column latency_ms: expected a number.*"slow"'),
        ("a.csv", "id,model_answer,latency_ms\n0,x,nan\n", "line 2, column latency_ms: expected a number"),
        ("a.parquet", "no parquet", "is not a Parquet file"),
        ("a.xlsx", "", r"answers are read from \.csv"),
    ],
)
async def test_what_is_refused(tmp_path: Path, store, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        await import_answers(tmp_path / name, store)


async def test_a_missing_file(tmp_path: Path, store) -> None:
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(UserError, match="cannot be read"):
            await import_answers(tmp_path / name, store)


async def test_stored_once(tmp_path: Path, store) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id;model_answer\n0;x\n", encoding="utf-8")
    key = await import_answers(path, store)
    store.written.clear()
    assert await import_answers(path, store) == key == layout.imported_answers(key[8:-8])
    assert store.written == []
