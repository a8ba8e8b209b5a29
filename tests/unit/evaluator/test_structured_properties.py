"""What must hold for any document, order, table or box."""

import json
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from vhb_evaluator.metrics.boxes import Box, overlap
from vhb_evaluator.metrics.fields import flat, spaced_text
from vhb_evaluator.metrics.json_answers import Unreadable, read_json
from vhb_evaluator.metrics.tables import Node, read_table
from vhb_evaluator.metrics.teds import similarity
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow,
               HealthCheck.function_scoped_fixture])  # fmt: skip
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-99, 99), st.text("aAб1 ,\n\x00京", max_size=6))
KEYS = st.text("abc京 ", min_size=1, max_size=3)
JSON = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=8
)
DOCUMENT = st.dictionaries(KEYS, JSON, max_size=4)
TEXT = st.one_of(st.text('{}[]",:\\`ab1\n', max_size=30), JSON.map(json.dumps), st.text(max_size=20))


def rows(make_samples, make_answers, pairs, *metrics):
    samples = make_samples([[reference] for _, reference in pairs])
    answers = make_answers([(place, answer, "answered") for place, (answer, _) in enumerate(pairs)])
    return score(samples, answers, metrics).to_dicts()


@few
@given(value=st.one_of(DOCUMENT, st.lists(DOCUMENT, max_size=3)), before=st.sampled_from(["", "Sure: ", "```json\n"]))
def test_json_is_read_as_it_was_written(value, before):
    text = before + json.dumps(value) + ("\n```" if before.startswith("```") else " Bye.")
    if isinstance(value, list) and not value:
        assert read_json(text) == []
    else:
        assert read_json(text) == value


@few
@given(text=TEXT)
@example('{"a": "\\u0000"}')
def test_any_text_is_read_or_says_why_not(text):
    try:
        found = read_json(text)
    except Unreadable as reason:
        assert str(reason)
    else:
        assert isinstance(found, (dict, list))


@few
@given(answer=DOCUMENT, truth=DOCUMENT)
def test_field_f1_is_the_overlap_of_two_multisets(make_samples, make_answers, answer, truth):
    def pairs(document):
        texts = json.loads(json.dumps(document), parse_int=str)
        return Counter((path, value) for path, values in flat(texts, spaced_text).items() for value in values if value)

    left, right = pairs(answer), pairs(truth)
    (row,) = rows(make_samples, make_answers, [(json.dumps(answer), json.dumps(truth))], MetricSpec(name="field_f1"))
    shared = (left & right).total()
    wrong = left.total() + right.total() - 2 * shared
    wanted = (shared, shared + wrong / 2) if shared + wrong else (1, 1)
    assert (row["numerator"], row["denominator"]) == wanted
    detail = json.loads(row["detail"])["fields"].values()
    assert sum(each["tp"] for each in detail) == shared
    assert sum(each["fp"] + each["fn"] for each in detail) == wrong


@few
@given(truth=DOCUMENT, answer=st.one_of(DOCUMENT.map(json.dumps), TEXT))
def test_document_metrics_are_shares_and_the_truth_is_best(make_samples, make_answers, truth, answer):
    specs = [MetricSpec(name=name) for name in ("field_f1", "field_accuracy", "item_count_accuracy", "anls_star")]
    specs.append(MetricSpec(name="field_accuracy", profile="invoice"))
    text = json.dumps(truth)
    table = rows(make_samples, make_answers, [(text, text), (answer, text)], *specs)
    for row in table:
        assert row["status"] in ("scored", "unparsable")
        assert 0 <= row["value"] <= 1
        if row["id"] == "0":
            assert (row["status"], row["value"]) == ("scored", pytest.approx(1)), row["metric"]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_page_order_of_every_order(make_samples, make_answers, size):
    orders = list(permutations(range(size)))
    pairs = [(json.dumps([page + 1 for page in left]), json.dumps(right)) for left in orders for right in orders]
    specs = [MetricSpec(name=name) for name in ("kendall_tau", "spearman_rho", "positional_accuracy")]
    table = iter(rows(make_samples, make_answers, pairs, *specs))
    for left in orders:
        for right in orders:
            tau, rho, share = (next(table)["value"] for _ in specs)
            places = [left.index(page) for page in right]
            swapped = sum(a > b for place, a in enumerate(places) for b in places[place + 1 :])
            squares = sum((place - other) ** 2 for place, other in enumerate(places))
            assert tau == pytest.approx(1 - 4 * swapped / (size * (size - 1)) if size > 1 else 1)
            assert rho == pytest.approx(1 - 6 * squares / (size * (size**2 - 1)) if size > 1 else 1)
            assert share == pytest.approx(sum(map(int.__eq__, left, right)) / size)
    assert size < 2 or kendalltau([0, 1], [1, 0]).statistic == -1


CELL = st.text("ab |<&", max_size=3)
ROWS = st.lists(st.lists(CELL, min_size=1, max_size=3), min_size=1, max_size=3)


def as_html(table):
    def escaped(text):
        return text.replace("&", "&amp;").replace("<", "&lt;")

    lines = ("".join(f"<td>{escaped(cell)}</td>" for cell in row) for row in table)
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


@few
@given(table=ROWS)
def test_a_table_is_read_as_it_was_written(table):
    found = read_table(f"Here: {as_html(table)}")
    assert found is not None
    assert [[cell.text for cell in row.children] for row in found.children] == [
        [" ".join(cell.split()) for cell in row] for row in table
    ]


@few
@given(left=ROWS, right=ROWS)
def test_similarity_of_tables_is_a_symmetric_share(left, right):
    first, second = (read_table(as_html(table)) for table in (left, right))
    assert isinstance(first, Node) and isinstance(second, Node)
    value = similarity(first, second)
    assert 0 <= value <= 1
    assert value == pytest.approx(similarity(second, first))
    assert (value == 1) == (first == second)


SIDE = st.integers(0, 20)
BOX = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), SIDE, SIDE, SIDE, SIDE)


@few
@given(left=BOX, right=BOX)
def test_overlap_is_that_of_unit_squares(left, right):
    def squares(box):
        return {(x, y) for x in range(int(box.x1), int(box.x2)) for y in range(int(box.y1), int(box.y2))}

    both = squares(left) | squares(right)
    assert overlap(left, right) == pytest.approx(len(squares(left) & squares(right)) / len(both) if both else 0)
