"""Batches agree with a plain implementation of the definitions, one pair at a time."""

import re
import unicodedata
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec

# Few letters, so that answers and references meet; forms that NFKC changes, both kinds of digits, odd white space.
LETTERS = "aAbЯя ﬁйé1２3\t\n\x1c\u00a0\u2003\x00İß"
TEXT = st.one_of(st.text(LETTERS, max_size=12), st.text(max_size=8))
BATCH = st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=6)

plain_settings = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def collapsed(text: str) -> str:
    return " ".join(text.split())


PLAIN = {
    "none@1": lambda text: text,
    "text@1": lambda text: collapsed(unicodedata.normalize("NFKC", text)),
    "text-lower@1": lambda text: collapsed(unicodedata.normalize("NFKC", text)).lower(),
    "digits@1": lambda text: re.sub(r"(?<=\d) (?=\d)", "", collapsed(unicodedata.normalize("NFKC", text))),
    "docvqa@1": lambda text: collapsed(text.lower()),
}


def edits(left: Any, right: Any) -> int:
    row = list(range(len(right) + 1))
    for place, item in enumerate(left, 1):
        last, row[0] = row[0], place
        for other, wanted in enumerate(right, 1):
            last, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, last + (item != wanted))
    return row[-1]


def rate(counted: int, length: int) -> float:
    return counted / length if length else float(counted > 0)


def scores(batch: list[tuple[str, list[str]]], *metrics: MetricSpec) -> list[dict[str, Any]]:
    rows = list(range(len(batch)))
    keys = {"index": rows, "id": [str(row) for row in rows]}
    empty = pl.Series([None] * len(rows), dtype=pl.String)
    samples = pl.DataFrame(
        {**keys, "doc_class": empty, "question_type": empty, "references": [references for _, references in batch]}
    )
    answers = pl.DataFrame(
        {**keys, "model_answer": [answer for answer, _ in batch], "outcome": ["answered"] * len(rows)}
    )
    return score(samples, answers.sample(fraction=1, shuffle=True, seed=1), metrics).to_dicts()


@pytest.mark.parametrize("profile", PLAIN)
@plain_settings
@given(batch=BATCH)
@example(batch=[("1 2 3 4 5", ["12 3 45"]), ("ΑΣ ΣΑΣ", ["ας"]), ("a\x1fb\u0085c", ["a b c"])])
def test_exact_match_under_every_normalisation(profile, batch):
    normal = PLAIN[profile]
    for row, (answer, references) in zip(
        scores(batch, MetricSpec(name="exact_match", normalisation=profile)), batch, strict=True
    ):
        assert row["value"] == float(normal(answer) in [normal(reference) for reference in references])


@pytest.mark.parametrize("unit", ["cer", "wer"])
@plain_settings
@given(batch=BATCH)
def test_error_rates(unit, batch):
    def split(text: str) -> Any:
        normal = PLAIN["text@1"](text)
        return normal if unit == "cer" else normal.split()

    rows = scores(batch, MetricSpec(name=unit), MetricSpec(name=f"{unit}_mean"))
    for place, (answer, references) in enumerate(batch):
        pooled, mean = rows[2 * place : 2 * place + 2]
        counted = [(edits(split(answer), split(reference)), len(split(reference))) for reference in references]
        best = min(rate(*pair) for pair in counted)
        assert (pooled["numerator"], pooled["denominator"]) in counted
        assert pooled["denominator"] == max(length for number, length in counted if rate(number, length) == best)
        assert pooled["value"] == mean["value"] == mean["numerator"] == pytest.approx(best)


@pytest.mark.parametrize("profile", [None, "vlmevalkit"])
@plain_settings
@given(batch=BATCH)
@example(batch=[("ab", ["ax"]), ("  ab", ["ax"]), ("ßa", ["ßb"])])
def test_anls(profile, batch):
    def similarity(answer: str, reference: str) -> float:
        left, right = PLAIN["docvqa@1"](answer), PLAIN["docvqa@1"](reference)
        measured = (answer.upper(), reference.upper()) if profile else (left, right)
        longest = max(map(len, measured))
        return 1 - edits(left, right) / longest if longest else 1.0

    for row, (answer, references) in zip(scores(batch, MetricSpec(name="anls", profile=profile)), batch, strict=True):
        best = max(similarity(answer, reference) for reference in references)
        zero = best < 0.5 if profile else best <= 0.5
        assert row["value"] == pytest.approx(0.0 if zero else best)
