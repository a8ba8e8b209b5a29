"""Columns of a data set as levels: where their values come from, and what is refused."""

import polars as pl
import pytest

from vhb_shared.contracts.job import TaskEntry
from vhb_shared.datasets import columns
from vhb_shared.datasets.columns import check_columns, level_value
from vhb_shared.datasets.levels import column_levels, columns_needed, level_file
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.errors import UserError
from vhb_shared.jobs.tasks import task_problems


def _samples(fields, **others):
    rows = len(fields)
    given = {"index": list(range(rows)), "id": [str(row) for row in range(rows)], "fields": fields, **others}
    return pl.DataFrame({name: given.get(name, [None] * rows) for name in SAMPLE_SCHEMA}, schema=SAMPLE_SCHEMA)


def test_values_come_from_the_data_set_s_own_columns_and_from_others():
    samples = _samples(['{"lang":"ru","it\'s [0]":"x"}', None, '{"lang":"en"}'], split=["a", None, "b"])
    levels = column_levels(["general", "column:lang", "column:split", "column:it's [0]", "column:lang"])
    assert levels == ("column:lang", "column:split", "column:it's [0]")
    assert columns_needed(levels) == ("fields", "split")
    table = samples.select("fields", "split").select(level_value(level).alias(level) for level in levels)
    assert table.rows() == [("ru", "a", "x"), (None, None, None), ("en", "b", None)]


def test_files_are_named_after_the_column_and_stay_in_their_folder():
    assert level_file("general") == "metrics_general.csv"
    assert level_file("column:lang") == "metrics_lang.csv"
    assert level_file("column:язык") == "metrics_язык.csv"
    assert level_file("column:../../x\x00") == "metrics_.._.._x_.csv"
    assert len(level_file("column:" + "x" * 500)) < 100


def _problems(*aggregators):
    return [problem for _, problem in task_problems(TaskEntry(name="t", dataset="./d", aggregators=aggregators))]


def test_names_of_aggregators_are_checked_without_data():
    assert _problems("general", "by_question_type", "column:lang") == []
    assert "did you mean 'by_doc_type'" in _problems("by_doc_tipe")[0]
    assert "names no column" in _problems("column:")[0]
    assert "would be one file, metrics_general.csv" in _problems("general", "column:general")[0]
    assert "would be one file, metrics_a_b.csv" in _problems("column:a b", "column:a/b")[0]


def test_a_column_that_is_not_there_is_refused_with_those_that_are(monkeypatch):
    task = TaskEntry(name="t", dataset="./d", aggregators=("column:lnag", "column:split", "general"))
    samples = _samples(['{"lang":"ru","kind":"1"}', None], doc_class=["a", None]).lazy()
    with pytest.raises(UserError) as refused:
        check_columns(task, samples)
    assert refused.value.lines == (
        "task 't': no sample has a column 'lnag' ('column:lnag'); did you mean 'lang'?",
        "task 't': no sample has a column 'split' ('column:split'); known are: doc_class, kind, lang.",
    )
    check_columns(task.model_copy(update={"aggregators": ("column:lang", "column:doc_class")}), samples)
    monkeypatch.setattr(columns, "MAX_GROUPS", 2)
    many = _samples(['{"n":"1"}', '{"n":"2"}', '{"n":"3"}']).lazy()
    with pytest.raises(UserError, match="column 'n' has 3 different values, at most 2 can be groups"):
        check_columns(task.model_copy(update={"aggregators": ("column:n",)}), many)
