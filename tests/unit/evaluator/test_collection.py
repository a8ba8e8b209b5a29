"""Collected answers: one row per sample, outcomes that fit, imported files."""

import csv
import io

import polars as pl
import pytest

from vhb_evaluator.collection import ImportedAnswers, Missing, from_part
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.tables import ANSWER_SCHEMA, Spool, write_csv, write_parquet

MISSING = Missing("failed", "gone")


def test_one_row_per_sample_whatever_the_part_holds(make_samples, make_answers):
    part = make_answers([(2, "c", "answered"), (0, "a", "answered"), (0, "again", "answered"), (9, "x", "answered")])
    table = from_part(make_samples([["r"]] * 3), part, MISSING)
    assert table.schema == ANSWER_SCHEMA
    assert table.select("id", "model_answer", "outcome", "error", "attempts").rows() == [
        ("0", "a", "answered", None, 1), ("1", None, "failed", "gone", 0), ("2", "c", "answered", None, 1),
    ]  # fmt: skip


def test_an_error_of_its_own_is_kept_and_an_error_text_is_no_answer(make_samples, make_answers):
    part = make_answers([(0, "Traceback ...", "failed"), (1, None, "failed")]).with_columns(
        error=pl.Series(["timed out", None])
    )
    table = from_part(make_samples([["r"]] * 2), part, Missing("withdrawn", "cancelled"))
    assert table.select("model_answer", "outcome", "error").rows() == [
        (None, "failed", "timed out"), (None, "failed", "cancelled"),
    ]  # fmt: skip


def test_a_failure_with_a_lone_surrogate_is_collected(make_samples):
    table = from_part(make_samples([["r"]]), None, Missing("failed", "bad \ud800"))
    assert table["error"].to_list() == ["bad ?"]


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (pl.DataFrame({"id": ["0"], "model_answer": ["a"], "outcome": ["answered"]}), "no column 'index'"),
        (
            pl.DataFrame({"index": [0], "id": ["0"], "model_answer": ["a"], "outcome": ["splendid"]}),
            "unknown outcome 'splendid' of sample '0'",
        ),
    ],
)
def test_what_is_no_part_is_refused(make_samples, part, sentence):
    with pytest.raises(EvaluationFailed, match=sentence):
        from_part(make_samples([["r"]]), part, MISSING)


def test_imported_answers_join_by_id_and_count_strays(make_samples, tmp_path):
    path = tmp_path / "answers.parquet"
    pl.DataFrame(
        {
            "id": ["1", "0", "stray", "2", "3", "4"],
            "model_answer": ["b", None, "x", "", "c", None],
            "outcome": [None, None, None, None, "truncated", "empty"],
            "latency_ms": ["12.5", None, None, None, None, None],
        }
    ).write_parquet(path)
    imported = ImportedAnswers(path)
    table = imported.answers(make_samples([["r"]] * 6))
    assert table.select("model_answer", "outcome", "error").rows() == [
        (None, "failed", "no answer in the imported file"), ("b", "answered", None), ("", "empty", None),
        ("c", "truncated", None), ("", "empty", None), (None, "failed", "no answer in the imported file"),
    ]  # fmt: skip
    assert table["latency_ms"].to_list()[1] == 12.5
    assert imported.unmatched() == 1


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"id": ["0"], "prediction": ["a"]}, r"no column 'model_answer' \(found: id, prediction\)"),
        ({"id": ["0", "0"], "model_answer": ["a", "b"]}, "id '0' occurs more than once"),
    ],
)
def test_imported_files_that_cannot_be_used(make_samples, tmp_path, columns, sentence):
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(EvaluationFailed, match=sentence):
        ImportedAnswers(tmp_path / "a.parquet").answers(make_samples([["r"]]))
    (tmp_path / "b.parquet").write_bytes(b"junk")
    with pytest.raises(EvaluationFailed, match="cannot be read"):
        ImportedAnswers(tmp_path / "b.parquet").answers(make_samples([["r"]]))


def test_a_spool_keeps_order_across_its_files_and_csv_survives_any_text(tmp_path):
    texts = ['say "hi"', "a,b", "line\r\nbreak", "nul\x00", "", None, " spaced ", "ЁЖ", "=1+1", "\ufeffbom"]
    schema = pl.Schema({"id": pl.String(), "text": pl.String()})
    spool = Spool(tmp_path / "spool", schema, rows=3)
    for place, text in enumerate(texts):
        spool.append(pl.DataFrame({"id": [str(place)], "text": [text]}, schema=schema))
    assert len(list((tmp_path / "spool").iterdir())) == 3
    assert pl.read_parquet(write_parquet(spool.scan(), tmp_path / "t.parquet"))["text"].to_list() == texts
    written = write_csv(spool.scan(), tmp_path / "t.csv").read_bytes()
    rows = list(csv.reader(io.StringIO(written.decode("utf-8"), newline="")))
    assert rows == [["id", "text"], *([str(place), text or ""] for place, text in enumerate(texts))]
    assert written.startswith(b"id,text\r\n")
    assert Spool(tmp_path / "none", schema).scan().collect().schema == schema
