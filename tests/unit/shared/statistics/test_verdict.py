"""Differences in words."""

import pytest

from vhb_shared.contracts.comparison import Difference
from vhb_shared.statistics.verdict import judged, p_text, verdict

FOUND = Difference(
    metric="cer", higher_is_better=False, baseline=0.142, candidate=0.1, difference=-0.042, ci_low=-0.052,
    ci_high=-0.031, p_value=0.0001, p_holm=0.0002, n_pairs=500, n_documents=500, smallest_detectable=0.015,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "qwen-3b beats rapidocr on cer by 0.042 (0.031 to 0.052), p<0.001, n=500 documents"),
        (
            {"higher_is_better": True, "n_documents": 50, "n_pairs": 1500},
            "rapidocr beats qwen-3b on cer by 0.042 (0.031 to 0.052), p<0.001, n=50 documents (1,500 samples)",
        ),
        (
            {"higher_is_better": None},
            "qwen-3b is lower than rapidocr on cer by 0.042 (0.031 to 0.052), p<0.001, n=500 documents",
        ),
        (
            {"p_holm": 0.3, "ci_high": 0.011, "smallest_detectable": 0.0203},
            "no difference shown between qwen-3b and rapidocr on cer: -0.042 (-0.052 to 0.011), p=0.3, n=500 "
            "documents; the smallest difference this many documents would show is 0.020",
        ),
        (
            {"difference": 0.0, "ci_low": None, "ci_high": None, "p_value": 1.0, "p_holm": 1.0},
            "no difference between qwen-3b and rapidocr on cer: equal in every document, n=500 documents",
        ),
        (
            {"difference": 0.0, "ci_low": None, "ci_high": None, "p_value": 1.0, "p_holm": 1.0, "test": "bootstrap"},
            "no difference between qwen-3b and rapidocr on cer: equal whichever documents count, n=500 documents",
        ),
        (
            {"difference": 0.2, "ci_low": None, "ci_high": None, "p_value": None, "p_holm": None, "n_documents": 1,
             "n_pairs": 1},
            "no difference can be shown between qwen-3b and rapidocr on cer: +0.2, n=1 document",
        ),
        (
            {"difference": None, "n_pairs": 0},
            "qwen-3b and rapidocr cannot be compared on cer: no sample has a score on both sides",
        ),
        (
            {"level": "doc_class", "group": "invoice", "n_failed_candidate": 3, "low_if_failed": -0.06,
             "high_if_failed": 0.02},
            "qwen-3b beats rapidocr on cer (doc_class invoice) by 0.042 (0.031 to 0.052), p<0.001, n=500 documents; "
            "3 failed, with them the difference could be anything from -0.020 to 0.060",
        ),
    ],
)  # fmt: skip
def test_differences_in_words(changes, sentence):
    assert verdict(FOUND.model_copy(update=changes), "rapidocr", "qwen-3b") == sentence


def test_the_parts_of_a_sentence():
    failed = {"n_failed_candidate": 3, "low_if_failed": -0.06, "high_if_failed": 0.02}
    said = judged(FOUND.model_copy(update=failed), "rapidocr", "qwen-3b")
    assert (said.code, said.first, said.second, said.level) == ("beats", "qwen-3b", "rapidocr", None)
    # The lead of the winner: the difference of an error rate the other way round.
    assert (said.lead, said.low, said.high, said.digits) == (0.042, 0.031, 0.052, 3)
    assert (said.failed, said.failed_low, said.failed_high) == (3, -0.02, 0.06)
    said = judged(FOUND.model_copy(update={"p_holm": 0.3}), "rapidocr", "qwen-3b")
    assert (said.code, said.lead, said.detectable, said.failed_low) == ("not_shown", -0.042, 0.015, None)


def test_probabilities_in_words():
    assert [p_text(p) for p in (0.0002, 0.012345, 0.5, 1.0, 0.999)] == ["p<0.001", "p=0.012", "p=0.5", "p=1", "p=1"]
