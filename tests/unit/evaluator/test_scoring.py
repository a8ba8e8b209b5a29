"""Scores: joins, statuses, bounds, hostile answers, metrics that misbehave."""

import polars as pl
import pytest

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.registry import BoundMetric
from vhb_evaluator.normalisation import MAX_SCORED_CHARS
from vhb_evaluator.scoring import score, score_bound
from vhb_evaluator.tables import SCORE_SCHEMA
from vhb_shared.contracts.job import MetricSpec

CER = (MetricSpec(name="cer"),)


def test_joined_by_id_and_ordered_by_index_then_metric(make_samples, make_answers):
    samples = make_samples([["a"], ["b"], ["c"]]).reverse()
    answers = make_answers([(1, "b", "answered"), (2, "c", "answered"), (0, "a", "answered")])
    table = score(samples, answers, (MetricSpec(name="exact_match"), MetricSpec(name="CER")))
    assert table.schema == SCORE_SCHEMA
    assert table.select("id", "metric").rows() == [
        (str(place), name) for place in range(3) for name in ("exact_match", "cer")
    ]
    assert table["value"].to_list() == [1, 0] * 3


def test_the_label_names_what_differs_from_the_metrics_own(make_samples, make_answers):
    specs = (
        MetricSpec(name="cer"),
        MetricSpec(name="cer", normalisation="text"),
        MetricSpec(name="cer", normalisation="text-lower"),
        MetricSpec(name="anls", profile="vlmevalkit", normalisation="none@1"),
    )
    table = score(make_samples([["ОСИПОВ"]]), make_answers([(0, "Осипов", "answered")]), specs)
    assert table.select("metric", "normalisation").rows() == [
        ("cer", "text@1"), ("cer@text-lower@1", "text-lower@1"), ("anls[vlmevalkit]@none@1", "none@1"),
    ]  # fmt: skip
    assert table["value"].to_list() == [pytest.approx(5 / 6), 0, 0]


@pytest.mark.parametrize("outcome", ["failed", "withdrawn"])
def test_a_sample_without_answer_has_no_value_but_bounds(make_samples, make_answers, outcome):
    names = ("cer", "cer_mean", "wer", "exact_match", "anls")
    answers = make_answers([(0, None, outcome)])
    table = score(make_samples([["ab", "abc d"]]), answers, tuple(MetricSpec(name=name) for name in names))
    assert set(table["status"]) == {outcome}
    assert table["value"].null_count() == table["numerator"].null_count() == len(names)
    bounds = table.select("metric", "worst_numerator", "worst_denominator", "best_numerator", "best_denominator")
    assert bounds.rows() == [
        ("cer", 5, 5, 0, 5), ("cer_mean", 1, 1, 0, 1), ("wer", 2, 2, 0, 2), ("exact_match", 0, 1, 1, 1),
        ("anls", 0, 1, 1, 1),
    ]  # fmt: skip


def test_a_failed_sample_with_an_empty_reference_loses_nothing_at_worst(make_samples, make_answers):
    table = score(make_samples([[""]]), make_answers([(0, None, "failed")]), (MetricSpec(name="cer_mean"),))
    assert table.select("worst_numerator", "best_numerator").rows() == [(0, 0)]


def test_empty_truncated_and_refused_answers_are_the_models_own(make_samples, make_answers):
    answers = make_answers([(0, "", "empty"), (1, "ab", "truncated"), (2, "I cannot", "refused")])
    table = score(make_samples([["abcd"]] * 3), answers, CER)
    assert table["status"].to_list() == ["scored"] * 3
    assert table["outcome"].to_list() == ["empty", "truncated", "refused"]
    assert table["value"].to_list() == [1, 0.5, 1.75]


def test_without_reference_nothing_is_scored_and_nothing_lost(make_samples, make_answers):
    samples = make_samples([["a"], [], None, [None], []])
    answers = make_answers([(index, "a", "answered") for index in range(4)] + [(4, None, "failed")])
    table = score(samples, answers, CER)
    assert table["status"].to_list() == ["scored", "no_reference", "no_reference", "no_reference", "failed"]
    assert table["value"].to_list() == [0, None, None, None, None]
    assert table["worst_numerator"].to_list() == [0, None, None, None, None]


def test_a_sample_without_an_answer_row_counts_as_failed(make_samples, make_answers):
    table = score(make_samples([["a"], ["b"]]), make_answers([(1, "b", "answered")]), CER)
    assert table.select("id", "outcome", "status").rows() == [("0", "failed", "failed"), ("1", "answered", "scored")]


def test_an_answer_of_another_id_at_the_same_index_is_not_taken(make_samples, make_answers):
    answers = make_answers([(0, "a", "answered")]).with_columns(id=pl.lit("7"))
    assert score(make_samples([["a"]]), answers, CER)["status"].to_list() == ["failed"]


def test_hostile_answers_are_scored_within_bounds(make_samples, make_answers):
    answers = [
        "x" * 10_000_000,
        "\x00" * 50 + "a",
        "\ufdfa" * 200_000,  # one character that NFKC makes 18
        "\u202e\u200b\ufeff\uffff\U0010ffff",
        "a\u0301" * 50_000,
        "\ud800".encode("utf-8", "replace").decode(),
    ]
    table = score(
        make_samples([["a"]] * len(answers)),
        make_answers([(place, answer, "answered") for place, answer in enumerate(answers)]),
        (*CER, MetricSpec(name="wer"), MetricSpec(name="anls", profile="vlmevalkit"), MetricSpec(name="exact_match")),
    )
    assert set(table["status"]) == {"scored"}
    cer = table.filter(metric="cer")
    assert cer["numerator"].to_list()[:3] == [MAX_SCORED_CHARS, 50, MAX_SCORED_CHARS]


class _Misbehaving(Metric):
    name, summary, direction, source = "odd", "-", "higher", "-"

    def __init__(self, result):
        super().__init__()
        self._result = result

    def score(self, pairs):
        return self._result(pairs)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (lambda pairs: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda pairs: pl.DataFrame({"row": [0]}, schema={"row": pl.UInt32}), "numerator"),
        (
            lambda pairs: pairs.select("row", numerator=1.0, denominator=1.0).head(1),
            "rows that do not match its 2 samples",
        ),
        (
            lambda pairs: pairs.select(row=pl.lit(9), numerator=1.0, denominator=1.0),
            "rows that do not match its 2 samples",
        ),
        (lambda pairs: pairs.select("row", numerator=float("nan"), denominator=1.0), "not a number"),
        (lambda pairs: pairs.select("row", numerator=None, denominator=1.0), "null"),
        (lambda pairs: pairs.select("row", numerator=float("inf"), denominator=1.0), "not below"),
        (lambda pairs: None, "AttributeError"),
    ],
)
def test_a_metric_that_misbehaves_is_a_failure_never_a_score(make_samples, make_answers, result, sentence):
    answers = make_answers([(0, "a", "answered"), (1, "b", "answered")])
    bound = BoundMetric(_Misbehaving(result), "odd", "text@1")
    with pytest.raises(EvaluationFailed, match=sentence) as caught:
        score_bound(make_samples([["a"], ["b"]]), answers, (bound,))
    assert "metric 'odd'" in str(caught.value)


def test_what_a_metric_cannot_read_is_unparsable_and_scored(make_samples, make_answers):
    def numbers(pairs):
        number = pl.col("answer").cast(pl.Int64, strict=False)
        return pairs.select(
            "row",
            numerator=(number == 5).fill_null(False).cast(pl.Float64),
            denominator=1.0,
            unparsable=number.is_null(),
        )

    answers = make_answers([(0, "5", "answered"), (1, "five", "answered"), (2, None, "failed")])
    bound = BoundMetric(_Misbehaving(numbers), "odd", "text@1")
    table = score_bound(make_samples([["5"]] * 3), answers, (bound,))
    assert table["status"].to_list() == ["scored", "unparsable", "failed"]
    assert table["value"].to_list() == [1, 0, None]


def test_a_message_with_a_lone_surrogate_can_travel():
    failure = EvaluationFailed("bad \ud800 text " + "x" * 9000)
    assert str(failure).encode("utf-8").startswith(b"bad ? text")
    assert len(str(failure)) <= 2000
