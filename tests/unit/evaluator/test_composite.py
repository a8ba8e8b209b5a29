"""Metrics whose groups are valued by sums of several statistics."""

from random import Random

import polars as pl
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from vhb_evaluator.aggregation import aggregate, level_groups
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.replicates import MOST_GROUPS, replicates
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.contracts.results import REPLICATE_COLUMNS
from vhb_shared.statistics.replicates import block_of, block_weights

CLASSES = ("invoice", "letter", "form")
NAMES = ("f1_macro", "f1_weighted", "precision_macro", "precision_weighted", "recall_macro", "recall_weighted")
SKLEARN = {"f1": f1_score, "precision": precision_score, "recall": recall_score}


def spec(name, **options):
    return MetricSpec(name=name, options={"classes": list(CLASSES)} | options)


def _rows(samples, answers, *names):
    table = aggregate(score(samples, answers, tuple(map(spec, names))), "r", "m", "t")
    return {
        (row["metric"].partition("{")[0], row["level"], row["group"]): row for row in table.iter_rows(named=True)
    }  # fmt: skip


def test_values_are_those_of_scikit_learn_in_every_group(make_samples, make_answers):
    truth = ["invoice"] * 5 + ["letter"] * 4 + ["form"] * 2
    said = ["Invoice.", "invoice", "letter", "no idea", "form", "letter", "letter", "", "invoice", "letter", "form"]
    doc_class = ["a"] * 6 + ["b"] * 5
    samples = make_samples([[name] for name in truth], doc_class=doc_class)
    rows = _rows(samples, make_answers([(place, text, "answered") for place, text in enumerate(said)]), *NAMES)
    predicted = [text.lower().strip(".") if text.lower().strip(".") in CLASSES else "none" for text in said]
    for name in NAMES:
        measure, _, average = name.partition("_")
        for group, level, wanted in (("all", "general", "ab"), ("a", "by_doc_type", "a"), ("b", "by_doc_type", "b")):
            chosen = [place for place, of in enumerate(doc_class) if of in wanted]
            left, right = [truth[place] for place in chosen], [predicted[place] for place in chosen]
            present = sorted((set(left) | set(right)) - {"none"})
            known = SKLEARN[measure](left, right, labels=present, average=average, zero_division=0)
            assert rows[name, level, group]["value"] == pytest.approx(known, abs=1e-12), (name, group)


def test_failed_samples_are_taken_in_by_the_bounds(make_samples, make_answers):
    samples = make_samples([["invoice"], ["letter"], ["form"]])
    answers = make_answers([(0, "invoice", "answered"), (1, "invoice", "answered"), (2, None, "failed")])
    row = _rows(samples, answers, "f1_macro")["f1_macro", "general", "all"]
    # invoice: 2 of (1 + 2), letter: 0; a form that is answered with nothing adds a class of 0, else one of 1.
    assert row["value"] == pytest.approx((2 / 3 + 0) / 2)
    assert row["value_if_failed_worst"] == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert row["value_if_failed_best"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert (row["n"], row["n_scored"], row["n_failed"]) == (3, 2, 1)


def test_a_weighted_mean_has_no_bound_on_the_wrong_side(make_samples, make_answers):
    # One more form, answered with nothing, makes the class that does well weigh more.
    samples = make_samples([["invoice"]] * 8 + [["form"]] * 2)
    answers = make_answers([(place, "letter", "answered") for place in range(8)]
                           + [(8, "form", "answered"), (9, None, "failed")])  # fmt: skip
    row = _rows(samples, answers, "f1_weighted")["f1_weighted", "general", "all"]
    assert row["value_if_failed_worst"] == row["value"] == pytest.approx(1 / 9)
    assert row["value_if_failed_best"] == pytest.approx(2 / 10)


def test_nothing_scored_has_no_value_and_still_has_bounds(make_samples, make_answers):
    samples = make_samples([["invoice"], [], ["letter"]], doc_class=["a", "b", "c"])
    rows = _rows(
        samples, make_answers([(0, None, "failed"), (1, "form", "answered"), (2, "x", "answered")]), "f1_macro"
    )
    bounds = {
        group: tuple(rows["f1_macro", "by_doc_type", group][name]
                     for name in ("value", "value_if_failed_worst", "value_if_failed_best"))
        for group in "abc"
    }  # fmt: skip
    assert bounds == {"a": (None, 0, 1), "b": (None, None, None), "c": (0, 0, 0)}


def test_a_sample_alone_is_right_or_wrong_and_unparsable_is_told(make_samples, make_answers):
    samples = make_samples([["invoice"], ["letter"]])
    table = score(samples, make_answers([(0, "«Invoice»", "answered"), (1, "a memo", "answered")]), (spec("f1_macro"),))
    assert table.select("status", "value", "detail").rows() == [
        ("scored", 1, '{"expected":"invoice","predicted":"invoice"}'),
        ("unparsable", 0, '{"expected":"letter","predicted":null}'),
    ]


@pytest.mark.parametrize(
    ("options", "references", "told"),
    [
        ({}, [["invoice"]], "has to know the classes"),
        ({"classes": ["letter"]}, [["invoice"]], r"\['invoice'\] are not among the classes"),
        ({"classes": ["invoice", "Invoice"]}, [["invoice"]], "not the only one of its name"),
    ],
)
def test_classes_that_cannot_be_used_are_told(options, references, told, make_samples, make_answers):
    asked = MetricSpec(name="f1_macro", options=options)
    with pytest.raises(EvaluationFailed, match=told):
        score(make_samples(references), make_answers([(0, "invoice", "answered")]), (asked,))


def test_replicates_are_values_of_documents_counted_as_often_as_drawn(make_samples, make_answers):
    random = Random(5)
    truth = [random.choice(CLASSES) for _ in range(80)]
    said = [name if random.random() < 0.7 else random.choice(CLASSES) for name in truth]
    doc_class = ["a" if place < 60 else "b" for place in range(80)]
    samples = make_samples([[name] for name in truth], doc_class=doc_class)
    answers = make_answers([(place, text, "answered") for place, text in enumerate(said)])
    scores = score(samples, answers, (spec("f1_macro"), MetricSpec(name="exact_match")))
    metrics = aggregate(scores, "r", "m", "t")
    table = replicates(scores.lazy(), metrics.lazy(), level_groups(), ())
    assert table is not None and table.columns == list(REPLICATE_COLUMNS)
    assert table.select("level", "group").rows() == [("general", "all"), ("doc_class", "a"), ("doc_class", "b"),
                                                     ("question_type", "(none)")]  # fmt: skip
    assert table["value"][0] == metrics.filter(metric=table["metric"][0], level="general")["value"].item()
    blocks = samples.select(block_of(pl.col("id")))["id"].to_list()
    weights = block_weights()[:, blocks]
    for row, chosen in ((0, range(80)), (1, range(60)), (2, range(60, 80))):
        for resample in (0, 17, 1999):
            drawn = [int(weights[resample, place]) for place in chosen]
            left, right = ([names[place] for place, times in zip(chosen, drawn, strict=True) for _ in range(times)]
                           for names in (truth, said))  # fmt: skip
            known = f1_score(left, right, labels=sorted(set(left) | set(right)), average="macro", zero_division=0)
            assert table["replicates"][row][resample] == pytest.approx(known, abs=1e-6)


def test_levels_of_many_groups_and_runs_without_composite_metrics_have_no_replicates(make_samples, make_answers):
    count = MOST_GROUPS + 1
    samples = make_samples([["form"]] * count, doc_class=[str(place) for place in range(count)])
    answers = make_answers([(place, "form", "answered") for place in range(count)])
    scores = score(samples, answers, (spec("f1_macro"),))
    table = replicates(scores.lazy(), aggregate(scores, "r", "m", "t").lazy(), level_groups(), ())
    assert table is not None and table["level"].unique().sort().to_list() == ["general", "question_type"]
    plain = score(samples, answers, (MetricSpec(name="exact_match"),))
    assert replicates(plain.lazy(), aggregate(plain, "r", "m", "t").lazy(), level_groups(), ()) is None
