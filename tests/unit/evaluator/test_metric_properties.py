"""Batches agree with a plain implementation of the definitions, one pair at a time."""

import re
import unicodedata
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vhb_evaluator.normalisation import normalised
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec

# Few letters, so that answers and references meet; forms that NFKC changes, both kinds of digits, odd white space.
PIECES = (
    "a",
    "An",
    "the",
    "two",
    "none",
    "dont",
    "1,000",
    "3.",
    ".5",
    ", ",
    "-",
    " -",
    "?",
    "'s",
    "(",
    "«",
    "Ё",
    "—",
    " ",
)
LETTERS = "aAbЯя ﬁйé1２3\t\n\x1c\u00a0\u2003\x00İß"
TEXT = st.one_of(
    st.text(LETTERS, max_size=12), st.text(max_size=8), st.lists(st.sampled_from(PIECES), max_size=5).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
)  # fmt: skip
BATCH = st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=6)

plain_settings = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def collapsed(text: str) -> str:
    return " ".join(text.split())


def only_letters(text: str) -> str:
    return collapsed("".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text))


def one_kind_of_marks(text: str) -> str:
    for kind, marks in (('"', "«»„“”‟″"), ("-", "‐‑‒–—―−"), ("'", "’‘‛′")):
        text = text.translate(dict.fromkeys(map(ord, marks), kind))
    return PLAIN["text-lower@1"](text).replace("ё", "е")


def vqa(text: str) -> str:
    """The published processing, a text at a time."""
    text = text.replace("\n", " ").replace("\t", " ").strip()
    done = text
    for mark in ';/[]"{}()=+\\_-><@`,?!':
        away = f"{mark} " in text or f" {mark}" in text or re.search(r"\d,\d", text)
        done = done.replace(mark, "" if away else " ")
    done = re.sub(r"\.(?!\d)", "", done)
    counted = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    numbers = {word: str(number) for number, word in enumerate(counted)} | {"none": "0"}
    kept = [numbers.get(word, word) for word in done.lower().split()]
    return " ".join({"dont": "don't", "im": "im"}.get(word, word) for word in kept if word not in ("a", "an", "the"))


def evalai(text: str) -> str:
    return vqa(text.lower().replace(",", "").replace("?", "").replace("'s", " 's"))


PLAIN = {
    "none@1": lambda text: text,
    "text@1": lambda text: collapsed(unicodedata.normalize("NFKC", text)),
    "text-lower@1": lambda text: collapsed(unicodedata.normalize("NFKC", text)).lower(),
    "digits@1": lambda text: re.sub(r"(?<=\d) (?=\d)", "", collapsed(unicodedata.normalize("NFKC", text))),
    "docvqa@1": lambda text: collapsed(text.lower()),
    "text-letters@1": lambda text: only_letters(PLAIN["text-lower@1"](text)),
    "text-ru@1": one_kind_of_marks,
    "ocrbench@1": lambda text: text.lower().strip().replace("\n", " "),
    "vqa@1": vqa,
    "evalai@1": evalai,
}


@pytest.mark.parametrize("profile", list(PLAIN))
def test_white_space_is_python_s(profile):
    spaces = "".join(chr(code) for code in range(0x110000) if chr(code).isspace())
    texts = [f"{space}b{space}" for space in spaces] + [spaces, f"{spaces}b{spaces}c"]
    found = pl.select(normalised(pl.lit(pl.Series(texts)), profile)).to_series().to_list()
    assert found == [PLAIN[profile](text) for text in texts]


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
@settings(plain_settings, max_examples=20)
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


@plain_settings
@given(
    batch=st.lists(st.tuples(TEXT, st.lists(st.sampled_from(PIECES), min_size=2, max_size=10)), min_size=1, max_size=5)
)
@example(batch=[("two", ["2", "two", "two", "2", "3", "3", "a", "b", "c", "d"])])
def test_vqa_accuracy(batch):
    for row, (answer, references) in zip(scores(batch, MetricSpec(name="vqa_accuracy")), batch, strict=True):
        said, people = vqa(answer), [vqa(reference) for reference in references]
        points = [
            min(1, sum(other == said for other in people[:at] + people[at + 1 :]) / 3) for at in range(len(people))
        ]
        assert row["value"] == pytest.approx(sum(points) / len(points))


NUMBER = st.one_of(
    st.sampled_from(["0", "5", "5%", "0.05", "100", "105", "-100", "1,000", "1e2", "+7", ".5", "7.", "inf"]),
    st.sampled_from(["blue", "Blue", ""]),
    st.floats(-200, 200, allow_nan=False).map(lambda value: f"{value:.2f}"),
)  # fmt: skip


@plain_settings
@given(batch=st.lists(st.tuples(NUMBER, st.lists(NUMBER, min_size=1, max_size=3)), min_size=1, max_size=6))
def test_relaxed_accuracy(batch):
    def number(text: str) -> float | None:
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?%?", text):
            return None
        return float(text.rstrip("%")) / (100 if text.endswith("%") else 1)

    def right(answer: str, reference: str) -> bool:
        said, wanted = number(answer), number(reference)
        if said is not None and wanted:
            return abs(said - wanted) / abs(wanted) <= 0.05
        return answer.lower() == reference.lower()

    for row, (answer, references) in zip(scores(batch, MetricSpec(name="relaxed_accuracy")), batch, strict=True):
        assert row["value"] == float(any(right(answer, reference) for reference in references))
