"""Conditions of a gate: a small grammar, and what is not in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vhb_shared.contracts.comparison import Comparison, Difference
from vhb_shared.errors import UserError
from vhb_shared.statistics.gate import apply_condition, parse_condition

COMPARED = Comparison(
    baseline="old", candidate="new", n_baseline=10, n_candidate=20,
    differences=(
        Difference(metric="cer", baseline=0.2, candidate=0.25, n_failed_baseline=1, n_failed_candidate=4),
        Difference(metric="cer", level="doc_class", group="x", baseline=0.0, candidate=9.0),
        Difference(metric='bleu{"a":"<"}', baseline=None, candidate=0.5),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("cer > baseline + 0.01", True),
        ("cer > baseline + 0.06", False),
        ("cer>baseline*1.2", True),
        ("cer >= 1.25 * baseline", True),
        ("cer > baseline * 1.3", False),
        ("cer < -baseline + 0.5 - 1e-1", False),
        ("cer <= 2*baseline - .15", True),
        ('bleu{"a":"<"} < 0.6', True),
        ('bleu{"a":"<"} < baseline', True),  # which has no value
        ("failed > baseline", True),
        ("failed > 0.2", False),
        ("failed >= 2 * baseline", True),
    ],
)
def test_conditions_mean_what_they_say(text, failed):
    result = apply_condition(parse_condition(text), COMPARED)
    assert (result.failed, result.candidate, result.condition) == (failed, "new", text)


def test_the_message_has_the_numbers():
    assert apply_condition(parse_condition("cer > baseline + 0.01"), COMPARED).message == (
        "cer > baseline + 0.01: new has 0.25, the limit is 0.21 (baseline 0.2): failed"
    )
    message = apply_condition(parse_condition('bleu{"a":"<"} < baseline'), COMPARED).message
    assert message.endswith('old has no value of bleu{"a":"<"}')


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cer", "is not a condition"),
        ("> 1", "is not a condition"),
        ("cer = 1", "is not a condition"),
        ("cer >> 1", "is not a condition"),
        ("cer > " + "1 + " * 100 + "1", "is not a condition"),
        ("cer >", "at its end, a number or `baseline` was expected"),
        ("cer > baseline +", "at its end, a number or `baseline` was expected"),
        ("cer > 1 2", r"at '2', one of \+ - \* was expected"),
        ("cer > * 2", r"at '\* 2', a number or `baseline` was expected"),
        ("cer > baselines", "at 'baselines', a number or `baseline` was expected"),
        ("cer > __import__('os').system('x')", "a number or `baseline` was expected"),
        ("cer > (1)", "a number or `baseline` was expected"),
        ("wer > 1", r"names 'wer', which was not compared; there are: cer, bleu.*, failed"),
    ],
)
def test_what_is_no_condition_is_refused_in_words(text, sentence):
    with pytest.raises(UserError, match=sentence):
        apply_condition(parse_condition(text), COMPARED)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_sentence(text):
    try:
        parse_condition(f"cer > {text}").bound(0.5)
    except UserError as error:
        assert "expected" in str(error) or "is not a condition" in str(error)
