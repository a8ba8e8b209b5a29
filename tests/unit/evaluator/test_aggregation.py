"""Metric rows: pooled and mean, denominators, bounds, groups, order."""

import polars as pl
import pytest

from vhb_evaluator.aggregation import LEVELS, aggregate, headlines
from vhb_evaluator.scoring import score
from vhb_evaluator.tables import METRIC_SCHEMA, SCORE_SCHEMA
from vhb_shared.contracts.job import MetricSpec


def _aggregated(samples, answers, *names):
    return aggregate(score(samples, answers, tuple(MetricSpec(name=name) for name in names)), "run", "model", "task")


def _general(table):
    return table.filter(level="general").row(0, named=True)


def test_pooled_and_mean_differ_as_defined(make_samples, make_answers):
    samples = make_samples([["abcdefghij"], ["ab"]])
    answers = make_answers([(0, "abcdefghij", "answered"), (1, "", "empty")])
    table = _aggregated(samples, answers, "cer", "cer_mean").filter(level="general")
    assert table["value"].to_list() == [pytest.approx(2 / 12), 0.5]
    assert table.select("run", "model", "task", "metric_version").unique().rows() == [("run", "model", "task", "1")]


def test_edits_against_an_empty_reference_count_in_the_pool(make_samples, make_answers):
    answers = make_answers([(0, "abcd", "answered"), (1, "abc", "answered")])
    row = _general(_aggregated(make_samples([["abcd"], [""]]), answers, "cer"))
    assert (row["value"], row["n"], row["n_scored"]) == (0.75, 2, 2)
    alone = _general(_aggregated(make_samples([[""]]), make_answers([(0, "abc", "answered")]), "cer"))
    assert alone["value"] == 1


def test_one_of_64_fails_and_the_bounds_say_what_that_can_mean(make_samples, make_answers):
    rows = [(index, "abcd", "answered") for index in range(63)] + [(63, None, "failed")]
    table = _aggregated(make_samples([["abcd"]] * 64), make_answers(rows), "cer", "exact_match")
    cer, exact = table.filter(level="general").iter_rows(named=True)
    assert (cer["n"], cer["n_scored"], cer["n_failed"], cer["value"]) == (64, 63, 1, 0)
    assert (cer["value_if_failed_worst"], cer["value_if_failed_best"]) == (1 / 64, 0)
    assert (exact["value"], exact["value_if_failed_worst"], exact["value_if_failed_best"]) == (1, 63 / 64, 1)


def test_nothing_scored_has_no_value_and_still_has_bounds(make_samples, make_answers):
    answers = make_answers([(0, None, "failed"), (1, None, "withdrawn"), (2, "x", "answered")])
    row = _general(_aggregated(make_samples([["ab"], ["cd"], []]), answers, "cer"))
    assert (row["n"], row["n_scored"], row["n_failed"], row["value"]) == (3, 0, 2, None)
    assert (row["value_if_failed_worst"], row["value_if_failed_best"]) == (1, 0)
    lone = _general(_aggregated(make_samples([[]]), make_answers([(0, "x", "answered")]), "cer"))
    assert [lone[name] for name in ("value", "value_if_failed_worst", "value_if_failed_best")] == [None] * 3


def test_groups_join_class_and_question_and_lose_nobody(make_samples, make_answers):
    samples = make_samples(
        [["a"]] * 4,
        doc_class=["passport", "passport", "bill", None],
        question_type=["Серия и номер", "Имя", None, None],
    )
    table = _aggregated(samples, make_answers([(index, "a", "answered") for index in range(4)]), "cer")
    groups = {level: table.filter(level=level)["group"].to_list() for level in LEVELS}
    assert groups == {
        "general": ["all"],
        "by_doc_type": ["(none)", "bill", "passport"],
        "by_question_type": ["(none)", "Имя", "Серия и номер"],
        "by_doc_question": ["(none) (none)", "bill (none)", "passport Имя", "passport Серия и номер"],
        "by_id": ["0", "1", "2", "3"],
    }
    assert table.group_by("level").agg(pl.col("n").sum())["n"].to_list() == [4] * len(LEVELS)


def test_columns_and_order(make_samples, make_answers):
    samples = make_samples([["a"]] * 12, doc_class=["x", "y"] * 6)
    answers = make_answers([(index, "b", "answered") for index in range(12)])
    table = _aggregated(samples, answers, "wer", "anls", "cer")
    assert table.schema == METRIC_SCHEMA
    assert list(dict.fromkeys(table["level"])) == list(LEVELS)
    for level in LEVELS:
        assert list(dict.fromkeys(table.filter(level=level)["metric"])) == ["wer", "anls", "cer"]
    assert table.filter(level="by_id", metric="cer")["group"].to_list() == [str(index) for index in range(12)]


def test_the_same_scores_give_the_same_bits_in_any_order(make_samples, make_answers):
    words = ["ab", "abc", "abcd", "abcdefg", "abcdefghijk"]
    samples = make_samples([[words[index % 5]] for index in range(5000)], doc_class=["x"] * 5000)
    answers = make_answers([(index, words[index % 3], "answered") for index in range(5000)])
    scores = score(samples, answers, (MetricSpec(name="cer_mean"), MetricSpec(name="anls")))
    grouped = [
        aggregate(scores.sample(fraction=1, shuffle=True, seed=seed), "r", "m", "t")
        .filter(pl.col("level") != "by_id")
        .sort("metric", "level")
        for seed in range(3)
    ]
    assert grouped[0].equals(grouped[1]) and grouped[0].equals(grouped[2])


def test_headlines_carry_the_direction(make_samples, make_answers):
    specs = (MetricSpec(name="cer", normalisation="text-lower"), MetricSpec(name="anls", profile="vlmevalkit"))
    table = aggregate(score(make_samples([["A"]]), make_answers([(0, "a", "answered")]), specs), "r", "m", "t")
    found = headlines(table)
    assert [(each.metric, each.value, each.higher_is_better) for each in found] == [
        ("cer@text-lower@1", 0, False), ("anls[vlmevalkit]", 1, True),
    ]  # fmt: skip


def test_headlines_say_which_values_are_no_sums(make_samples, make_answers):
    specs = (MetricSpec(name="f1_macro", options={"classes": ["a", "b"]}), MetricSpec(name="exact_match"))
    table = aggregate(score(make_samples([["a"]]), make_answers([(0, "a", "answered")]), specs), "r", "m", "t")
    assert [each.composite for each in headlines(table)] == [True, False]


def test_no_scores_no_rows():
    assert aggregate(pl.DataFrame(schema=SCORE_SCHEMA), "r", "m", "t").schema == METRIC_SCHEMA
    assert headlines(aggregate(pl.DataFrame(schema=SCORE_SCHEMA), "r", "m", "t")) == ()
