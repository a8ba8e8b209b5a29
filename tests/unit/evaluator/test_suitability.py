"""Data that a metric could not score, whatever was answered, are refused before anything is asked."""

import polars as pl
import pytest

from vhb_evaluator.suitability import check_samples
from vhb_shared.contracts.job import MetricSpec, TaskEntry
from vhb_shared.errors import UserError


def check(samples, name, **options):
    check_samples(MetricSpec(name=name, options=options), samples.lazy())


def test_a_sample_with_one_reference_among_many(make_samples):
    several = make_samples([["yes", "no"], ["yes", "yes", "no"], []])
    check(several, "vqa_accuracy")
    with pytest.raises(UserError, match=r"at least 2 references, and sample '1' has 1: use exact_match"):
        check(make_samples([["yes", "no"], ["yes"]]), "vqa_accuracy")


def test_references_that_are_no_class(make_samples):
    check(make_samples([["Invoice"], ["letter"]]), "f1_macro", classes=["invoice", "letter"])
    with pytest.raises(UserError, match=r"\['memo'\] are not among the classes"):
        check(make_samples([["invoice"], ["memo"]]), "f1_macro", classes=["invoice", "letter"])
    with pytest.raises(UserError, match="the references are 'invoice', 'memo'"):
        check(make_samples([["invoice"], ["memo"]]), "accuracy")


def test_references_that_are_no_choice(make_samples):
    samples = make_samples([["B"], ["paris"], ["C"]])
    choices = pl.Series([["London", "Paris"]] * 3)
    check(samples.head(2).with_columns(choices=choices.head(2)), "choice_accuracy")
    with pytest.raises(UserError, match="'C' is neither the letter nor the text of one of the 2 choices"):
        check(samples.with_columns(choices=choices), "choice_accuracy")


def test_metrics_that_score_anything_ask_nothing_of_the_data(make_samples):
    check(make_samples([[], ["x"]]), "cer")


@pytest.mark.parametrize(
    ("metric", "good", "bad", "reason"),
    [
        ("field_f1", '{"a": "x"}', "x", "the reference is not a JSON object or list"),
        ("field_accuracy", '{"a": "x"}', '{"a": "x"', "a bracket is not closed"),
        ("kendall_tau", "[0, 1]", "first, second", "no list of page numbers"),
        ("iou", "[0, 0, 1, 1]", "top left", "holds no box"),
    ],
)
def test_references_that_a_structured_metric_cannot_read(make_samples, metric, good, bad, reason):
    check(make_samples([[good], []]), metric)
    with pytest.raises(UserError, match=rf"cannot score 1 of 3 samples, the first is '1': .*{reason}"):
        check(make_samples([[good], [bad], [good]]), metric)


def test_a_metric_that_needs_the_task_gets_it(make_samples):
    task = TaskEntry(name="t", response_schema={"type": "object"})
    for spec in ({"name": "structural_fidelity"}, {"name": "field_f1", "gate": "structural_fidelity"}):
        check_samples(MetricSpec.model_validate(spec), make_samples([['{"a": 1}']]).lazy(), task)
