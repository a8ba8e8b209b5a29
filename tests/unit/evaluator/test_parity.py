"""Scores equal those of the reference tools to 1e-9 where the definitions agree, on random pairs."""

from typing import Any

import jiwer
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF, TER
from sklearn.metrics import precision_recall_fscore_support

from vhb_evaluator.aggregation import aggregate
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec

WORDS = ("the", "cat", "Cat", "sat", "on", "mat", "a", "I'm", "12,5", "end.", "(x)", "кот", "сел", "—", "é", "running")
TEXT = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
WRITTEN = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
CORPUS = st.lists(st.tuples(TEXT, WRITTEN), min_size=1, max_size=6)
SEVERAL = st.lists(st.tuples(TEXT, st.lists(WRITTEN, min_size=1, max_size=3)), min_size=1, max_size=5)
random_pairs = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _scored(pairs: list[tuple[str, list[str]]], name: str, **more: Any) -> tuple[list[float], float]:
    """(values of the samples, value of all)"""
    rows = list(range(len(pairs)))
    keys = {"index": rows, "id": [str(row) for row in rows]}
    nothing = pl.Series([None] * len(rows), dtype=pl.String)
    samples = pl.DataFrame(
        {**keys, "doc_class": nothing, "question_type": nothing, "references": [references for _, references in pairs]}
    )
    answers = pl.DataFrame(
        {**keys, "model_answer": [answer for answer, _ in pairs], "outcome": ["answered"] * len(rows)}
    )
    table = score(samples, answers.reverse(), (MetricSpec(name=name, **more),))
    general = aggregate(table, "run", "model", "task").filter(level="general")
    return table["value"].to_list(), general["value"][0]


def _one_each(pairs: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    return [(answer, [reference]) for answer, reference in pairs]


def near(value: Any) -> Any:
    return pytest.approx(value, abs=1e-9)


@random_pairs
@given(pairs=CORPUS)
def test_error_rates_are_those_of_jiwer(pairs):
    answers, references = [answer for answer, _ in pairs], [reference for _, reference in pairs]
    wanted = {"cer": jiwer.cer, "wer": jiwer.wer}
    for name, rate in wanted.items():
        singles, pooled = _scored(_one_each(pairs), name, normalisation="none")
        assert singles == near([rate(reference, answer) for answer, reference in pairs])
        assert pooled == near(rate(references, answers))
        _, mean = _scored(_one_each(pairs), f"{name}_mean", normalisation="none")
        assert mean == near(sum(rate(reference, answer) for answer, reference in pairs) / len(pairs))


@random_pairs
@given(pairs=SEVERAL, lowercase=st.booleans(), tokenize=st.sampled_from(["13a", "intl", "char", "zh", "none"]))
def test_bleu_is_sacrebleu_s(pairs, lowercase, tokenize):
    options = {"lowercase": lowercase, "tokenize": tokenize}
    singles, value = _scored(pairs, "bleu", options=options)
    sentence = BLEU(effective_order=True, force=True, **options)
    assert singles == near([sentence.sentence_score(*pair).score / 100 for pair in pairs])
    assert value == near(BLEU(force=True, **options).corpus_score(*_corpus(pairs)).score / 100)


@random_pairs
@given(pairs=SEVERAL, word_order=st.sampled_from([0, 2]), beta=st.sampled_from([1, 2, 3]), whitespace=st.booleans())
def test_chrf_is_sacrebleu_s(pairs, word_order, beta, whitespace):
    options = {"word_order": word_order, "beta": beta, "whitespace": whitespace}
    singles, value = _scored(pairs, "chrf", options=options)
    assert singles == near([CHRF(**options).sentence_score(*pair).score / 100 for pair in pairs])
    assert value == near(CHRF(**options).corpus_score(*_corpus(pairs)).score / 100)


@random_pairs
@given(pairs=SEVERAL, case_sensitive=st.booleans(), normalized=st.booleans(), no_punct=st.booleans())
def test_ter_is_sacrebleu_s(pairs, case_sensitive, normalized, no_punct):
    options = {"case_sensitive": case_sensitive, "normalized": normalized, "no_punct": no_punct}
    singles, value = _scored(pairs, "ter", options=options)
    assert singles == near([TER(**options).sentence_score(*pair).score / 100 for pair in pairs])
    assert value == near(TER(**options).corpus_score(*_corpus(pairs)).score / 100)


def _corpus(pairs: list[tuple[str, list[str]]]) -> tuple[list[str], list[list[str | None]]]:
    """Hypotheses and streams of references; sacrebleu takes null for "no further reference"."""
    most = max(len(references) for _, references in pairs)
    streams = [[references[place] if place < len(references) else None for _, references in pairs]
               for place in range(most)]  # fmt: skip
    return [answer for answer, _ in pairs], streams


@random_pairs
@given(pairs=SEVERAL, stemmer=st.booleans())
def test_rouge_l_is_the_library_s(pairs, stemmer):
    singles, _ = _scored(pairs, "rouge_l", profile="rouge-score", normalisation="none", options={"stemmer": stemmer})
    scorer = RougeScorer(["rougeL"], use_stemmer=stemmer)
    assert singles == near([scorer.score_multi(references, answer)["rougeL"].fmeasure for answer, references in pairs])


@random_pairs
@given(pairs=st.lists(st.tuples(TEXT.filter(str.isascii), WRITTEN.filter(str.isascii)), min_size=1, max_size=6))
def test_rouge_l_of_ascii_needs_no_profile(pairs):
    pairs = [(answer, reference) for answer, reference in pairs if any(map(str.isalnum, reference))]
    if pairs:
        assert _scored(_one_each(pairs), "rouge_l")[0] == near(
            _scored(_one_each(pairs), "rouge_l", profile="rouge-score")[0]
        )


CLASSES = ("invoice", "letter", "form", "memo")
TRUTH = st.lists(
    st.tuples(st.sampled_from((*CLASSES, "none of them")), st.sampled_from(CLASSES)), min_size=1, max_size=20
)


@pytest.mark.parametrize("average", ["macro", "weighted"])
@random_pairs
@given(pairs=TRUTH)
def test_classes_are_scikit_learn_s(average, pairs):
    said, truth = [answer for answer, _ in pairs], [reference for _, reference in pairs]
    present = sorted((set(said) | set(truth)) & set(CLASSES))
    known = precision_recall_fscore_support(truth, said, labels=present, average=average, zero_division=0)
    for name, wanted in zip(("precision", "recall", "f1"), known, strict=False):
        _, value = _scored(_one_each(pairs), f"{name}_{average}", options={"classes": list(CLASSES)})
        assert value == near(wanted)
